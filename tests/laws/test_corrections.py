"""Corrections, transfers and discharges in any order and number give the same stay.

The other side of the comparison is written here from the contract alone: all that was sent is
collected, the winner of each moment is looked up, and a stream of plain values is made of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.event_stream import (
    MINUTE_MS,
    ORIGIN_MS,
    Event,
    HeartRateModel,
    Stream,
    admission,
    alerts,
    assert_same,
    discharge,
    observation,
)
from tests.support.small_models import random_model

NETWORK = random_model(3)
VARIABLES = ("heart_rate", "lactate")

# Minute, variable, revision, value; None withdraws, and needs a revision.
Charted = tuple[int, str, int, float | None]
charted = st.tuples(
    st.sampled_from([5, 20, 70, 75, 200]),
    st.sampled_from(VARIABLES),
    st.integers(0, 2),
    st.sampled_from([60.0, 61.0, 62.0, None]),
).filter(lambda one: one[3] is not None or one[2] > 0)


def sent(one: Charted) -> Event:
    minute, variable, revision, value = one
    return {
        "patient_id": "p",
        "time": ORIGIN_MS + minute * MINUTE_MS,
        "revision": revision,
        "values": {variable: None if value is None else value / (1 if "h" in variable else 10)},
    }


def plain(events: Sequence[Charted]) -> list[Charted]:
    """What is left when each moment has its greatest revision and, of equal ones, value."""
    moments: dict[tuple[int, str], tuple[int, float]] = {}
    for minute, variable, revision, value in events:
        # A null is less than any value of its revision.
        entry = (revision, float("-inf") if value is None else value)
        moments[minute, variable] = max(moments.get((minute, variable), entry), entry)
    return [
        (minute, variable, 0, value)
        for (minute, variable), (_, value) in sorted(moments.items())
        if value > float("-inf")
    ]


def taken(events: Sequence[Event], ends: Sequence[int] = ()) -> Stream:
    stream = Stream(NETWORK)
    clock = [observation(h, "p") for h in range(5)]  # the hours pass, whatever was measured
    stream.take(admission(0, "p", age=60), *clock[:4])
    stream.take(*events, clock[4], ends=ends)
    return stream


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(charted, max_size=9), st.randoms(use_true_random=False))
def test_any_order_and_number_of_corrections_gives_the_same_stay(
    events: list[Charted], chance: random.Random
) -> None:
    again = [*events, *chance.choices(events, k=len(events))] if events else []
    chance.shuffle(again)
    ends = [i for i in range(1, len(again)) if chance.random() < 0.3]
    one, other = taken([sent(e) for e in events]), taken([sent(e) for e in again], ends)
    assert_same(one.committed(), other.committed())
    assert one.risks() == other.risks()
    assert one.rejections == other.rejections == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(charted, max_size=7))
def test_a_corrected_stay_is_that_of_the_values_that_are_left(events: list[Charted]) -> None:
    """Unless two newer moments of one hour were withdrawn: the ring keeps two (decision 023)."""
    withdrawn = {(m // 60, v) for m, v, _, value in events if value is None}
    crowded = [w for w in withdrawn if len({m for m, v, _, _ in events if (m // 60, v) == w}) > 2]
    if crowded:
        return
    one = taken([sent(e) for e in events])
    other = taken([sent(e) for e in plain(events)])
    left, right = one.committed(), other.committed()
    for name in ("ring_offset_ms", "last_ms"):  # a withdrawn moment is known as one
        del left[name], right[name]
    assert_same(left, right)
    assert one.risks() == other.risks()


@pytest.mark.parametrize("mistake", [False, True])
def test_an_alert_has_one_end_for_each_start(mistake: bool) -> None:
    one = Stream(HeartRateModel(), 60)
    one.take(admission(0, "p"), observation(1, "p", heart_rate=110), discharge(2, "p"))
    if mistake:
        one.take(observation(2.1, "p", heart_rate=110), discharge(3, "p"))
    phases = [phase for phase, _ in alerts([m.content for m in one.messages])]
    assert phases == ["start", "end"] * (1 + mistake)
