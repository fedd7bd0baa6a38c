"""Streams of all kinds of events at once: order, repetition, cuts and the future.

Observations with revisions and withdrawals, results up to two days late, admissions that are
corrected, transfers, a discharge by mistake and one that is taken back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.alert_messages import Content
from streamer.core.model import Model
from tests.support.event_stream import (
    Event,
    HeartRateModel,
    Stream,
    admission,
    assert_same,
    discharge,
    event,
    observation,
)
from tests.support.small_models import random_model

NETWORK = random_model(7)
EXAMPLES = settings(max_examples=25, deadline=None, derandomize=True)

FIRST_H: Final = 2  # corrected admissions are earlier
LAST_H: Final = 46  # nothing is too late, whatever the order
LEAVES_H: Final = 30  # less than a day before the last event
LIMITS: Final = {"heart_rate": (60, 140), "lactate": (1, 9), "map": (40, 100)}


@st.composite
def measured(draw: st.DrawFn) -> Event:
    """An observation of one variable; some share a moment, are revised or withdrawn."""
    hours = draw(st.sampled_from([FIRST_H, 2.5, 3, 9.9, 20, 20.01, LEAVES_H + 1, LAST_H]))
    name = draw(st.sampled_from(sorted(LIMITS)))
    revision = draw(st.integers(0, 3))
    value = draw(st.integers(*LIMITS[name]))
    withdraws = revision > 0 and draw(st.integers(0, 4)) == 0
    values = {name: None if withdraws else value}
    return observation(hours, **values) | {"revision": revision}


admissions = st.lists(
    st.builds(
        admission,
        st.sampled_from([-1, 0, 1, FIRST_H]),  # whole hours: the ring is laid anew exactly
        age=st.integers(20, 90) | st.none(),
        sex=st.sampled_from(["female", "male", "M", None]),
        ward=st.sampled_from(["A", "B", None]),
    ),
    min_size=1,
    max_size=4,
    unique_by=str,
)
others = st.lists(
    st.sampled_from([
        discharge(LEAVES_H), event(LEAVES_H, "discharge", cancelled=True), discharge(LAST_H),
        event(5, "transfer", ward="C"), event(9, "transfer", ward="D", bed="4"),
        event(7, "medication", drug="x", action="start"),
    ]),
    max_size=5,
)  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """An admission, then everything else in any order; corrections of the admission in theirs."""
    first, *corrections = draw(admissions)
    rest: list[Event] = [*draw(st.lists(measured(), min_size=1, max_size=16)), *draw(others)]
    for correction in corrections:
        rest.insert(draw(st.integers(0, len(rest))), correction)
    in_turn = iter(corrections)
    return [first, *(next(in_turn) if e["type"] == "admission" else e for e in rest)]


def shuffled(log: Sequence[Event], chance: random.Random) -> list[Event]:
    """The same events in another order, some of them twice; admissions stay in theirs."""
    first, *rest = log
    again = [*rest, *chance.sample(rest, len(rest) // 2)]
    chance.shuffle(again)
    corrections = iter([e for e in rest if e["type"] == "admission"])
    known: list[Event] = []
    for one in again:
        if one["type"] != "admission":
            known.append(one)
        elif (following := next(corrections, None)) is not None:
            known.append(following)
    return [first, *known]


def taken(
    log: Sequence[Event], ends: Sequence[int] = (), model: Model = NETWORK, every_s: float = 0
) -> Stream:
    stream = Stream(model, every_s)
    stream.take(*log, ends=ends)
    return stream


def words(stream: Stream) -> list[Content]:
    """The messages without the offset, which a repeated event moves."""
    return [
        {k: v for k, v in message.content.items() if k != "offset"} for message in stream.messages
    ]


@EXAMPLES
@given(logs(), st.randoms(use_true_random=False), st.lists(st.integers(1, 40)))
def test_any_order_number_and_cut_gives_the_same_stay(
    log: list[Event], chance: random.Random, ends: list[int]
) -> None:
    one, other = taken(log), taken(shuffled(log, chance), ends)
    assert_same(one.committed(), other.committed())
    assert one.risks() == other.risks()
    assert one.rejections == other.rejections == []


@EXAMPLES
@given(
    logs(), st.lists(st.integers(1, 40)), st.sampled_from([0, 60, 7200]), st.booleans(),
)  # fmt: skip
def test_cuts_change_no_message(
    log: list[Event], ends: list[int], every_s: float, alerting: bool
) -> None:
    model = HeartRateModel() if alerting else NETWORK
    at_once, cut = taken(log, (), model, every_s), taken(log, ends, model, every_s)
    assert [m.content for m in at_once.messages] == [m.content for m in cut.messages]
    assert at_once.problems == cut.problems
    assert_same(at_once.committed(), cut.committed())


@EXAMPLES
@given(
    logs(), st.randoms(use_true_random=False), st.sampled_from([0, 60, 7200]), st.booleans(),
)  # fmt: skip
def test_a_repeated_event_says_and_changes_nothing(
    log: list[Event], chance: random.Random, every_s: float, alerting: bool
) -> None:
    model = HeartRateModel() if alerting else NETWORK
    repeated: list[Event] = []
    for one in log:
        repeated.append(one)
        repeated += chance.choices(repeated, k=chance.randrange(3))
    once, often = taken(log, (), model, every_s), taken(repeated, (), model, every_s)
    assert words(once) == words(often)
    assert_same(once.committed(), often.committed())
    for name in ("discharge_ms", "discharge_due_ms", "alert_severity", "location_ms"):
        assert once.field(name) == often.field(name), name
    assert once.table.locations[once.slot()[0]] == often.table.locations[often.slot()[0]]


@EXAMPLES
@given(logs(), logs(), st.sampled_from([0, 60, 7200]), st.booleans())
def test_the_future_changes_nothing_of_the_past(
    log: list[Event], future: list[Event], every_s: float, alerting: bool
) -> None:
    """Every message of the past stands; also where it comes in the same batch."""
    model = HeartRateModel() if alerting else NETWORK
    past, whole = taken(log, (), model, every_s), taken([*log, *future], (), model, every_s)
    n = len(past.messages)
    assert [m.content for m in past.messages] == [m.content for m in whole.messages[:n]]
