from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamer.core import features, state_stepping
from streamer.core.cleaning import clean
from streamer.core.hour_ring import LATE_BINS
from streamer.core.model import Model
from streamer.core.variables import N_VARIABLES, VARIABLES
from tests.support.event_stream import (
    Event,
    Stream,
    admission,
    assert_same,
    bins,
    event,
    observation,
)
from tests.support.small_models import random_model

LOW = np.array([v.low for v in VARIABLES])
HIGH = np.array([v.high for v in VARIABLES])
# The network runs over the whole sequence in one call and a matrix product may add up in another
# order than single steps do. Logits are of order one, so this is ten units in the last place.
SEQUENCE_TOLERANCE = 1e-6
SELDOM_S = 1e6  # few evaluations, where what is compared is at the end
ONE, TWO = random_model(3, layers=1), random_model(4, layers=2)


def course(hours: int, seed: int, sparse: float = 0.7) -> list[dict[str, float]]:
    """Values of so many hours, most of them missing, some hours altogether."""
    rng = np.random.default_rng(seed)
    rows = rng.uniform(LOW, HIGH, (hours, N_VARIABLES))
    rows[rng.random(rows.shape) < sparse] = np.nan
    rows[rng.random(hours) < 0.2] = np.nan
    return [
        {v.name: float(x) for v, x in zip(VARIABLES, row, strict=True) if not np.isnan(x)}
        for row in rows
    ]


def offline_logits(model: Model, rows: list[dict[str, float]], first: int) -> Any:
    """Logits ``(T, 3)`` of the whole sequence at once, as a trainer gets them."""
    memory = features.empty_memory(1)
    static = np.array([[60, 1, np.nan, 20]], np.float32)
    seen = []
    for i, row in enumerate(rows):
        values = np.array([[row.get(v.name, np.nan) for v in VARIABLES]])
        step, memory = features.step(clean(values), np.array([first + i]), static, memory)
        seen.append(step)
    return model.logits(np.stack(seen))[:, 0]


ADMISSION = admission(age=60, sex="male", hours_since_hospital_admission=20)


@pytest.mark.parametrize("model", [ONE, TWO], ids=["one layer", "two layers"])
@pytest.mark.parametrize(
    ("hours", "first"), [(1, 0), (2, 300), (48, 0), (49, 1), (50, 0), (120, 3)]
)
@pytest.mark.parametrize("silent", [False, True], ids=["empty events", "no events"])
def test_stepping_equals_the_whole_sequence(
    model: Model, hours: int, first: int, silent: bool
) -> None:
    rows = course(hours, seed=hours)
    rows[0] = rows[0] or {"ph": 7.4}  # an event opens the first bin
    stream = Stream(model)
    stream.take(ADMISSION)
    stepped: dict[int, Any] = {}
    for i, row in enumerate(rows):
        if not silent or row:
            stream.take(observation(first + i, **row))
            stepped[i] = stream.risks()
    expected = model.risks(offline_logits(model, rows, first))
    risks = np.array(list(stepped.values()))
    assert np.abs(risks - expected[list(stepped)]).max() <= SEQUENCE_TOLERANCE
    assert stream.field("first_bin") == first
    assert np.ptp(expected[:, 0]) > 0 or hours == 1


@pytest.mark.parametrize("model", [ONE, TWO], ids=["one layer", "two layers"])
@pytest.mark.parametrize("late", [1, 2, 20, 47, 48])
def test_a_late_event_is_as_if_it_had_come_in_time(model: Model, late: int) -> None:
    rows = course(120, seed=late)
    for at in (late, 60, 119 - late, 119):
        delayed: Event = observation(max(at - late, 0) + 0.99, lactate=9.5, ph=6.9)
        in_time, after = Stream(model, SELDOM_S), Stream(model, SELDOM_S)
        events = [observation(i, **row) for i, row in enumerate(rows)]
        position = max(at - late, 0) + 1
        in_time.take(ADMISSION, *events[:position], delayed, *events[position:])
        after.take(ADMISSION, *events[: at + 1], ends=[30])
        after.take(delayed, *events[at + 1 :])
        assert_same(in_time.committed(), after.committed())
        assert in_time.risks() == after.risks()
        assert in_time.rejections == after.rejections == []


def test_49_bins_back_is_too_late_and_changes_nothing() -> None:
    rows = course(120, seed=9)
    stream = Stream(ONE)
    stream.take(ADMISSION, *(observation(i, **row) for i, row in enumerate(rows)))
    before = stream.committed()
    assert stream.take(observation(119 - LATE_BINS - 0.001, lactate=9.5)) == []
    assert stream.rejections == [(121, "too_late")]
    assert_same(before, stream.committed())


def test_an_event_from_before_the_first_bin_makes_it_the_first() -> None:
    in_order, late = Stream(ONE), Stream(ONE)
    first, second = observation(4.5, heart_rate=90), observation(30, map=60)
    in_order.take(ADMISSION, first, second)
    late.take(ADMISSION, second, first)
    assert_same(in_order.committed(), late.committed())
    assert late.field("first_bin") == 4
    assert in_order.risks() == late.risks()


def test_an_empty_event_from_before_the_first_bin_too() -> None:
    in_order, late = Stream(ONE), Stream(ONE)
    in_order.take(ADMISSION, observation(4.5), observation(30, map=60))
    late.take(ADMISSION, observation(30, map=60), observation(4.5))
    assert_same(in_order.committed(), late.committed())


def test_looking_at_the_risk_changes_nothing() -> None:
    stream = Stream(TWO)
    stream.take(ADMISSION, observation(0, heart_rate=90), observation(1.5, heart_rate=120))
    before = {name: stream.table[name].copy() for name in stream.table.fields}
    assert stream.risks() == stream.risks()
    assert_same(before, {name: stream.table[name] for name in stream.table.fields})


def test_the_risk_moves_with_the_open_bin_and_the_committed_state_does_not() -> None:
    stream = Stream(ONE)
    stream.take(ADMISSION, observation(0, heart_rate=90), observation(1, heart_rate=60))
    committed, risk = stream.committed(), stream.risks()
    stream.take(observation(1.5, heart_rate=180))
    assert stream.risks() != risk
    for name in ("memory", "h", "c"):
        assert committed[name].tobytes() == stream.committed()[name].tobytes()


@pytest.mark.parametrize("hours", [1, 30, 49])
def test_a_new_model_on_a_stay_within_its_ring_equals_one_that_was_there_all_along(
    hours: int,
) -> None:
    events = [ADMISSION, *(observation(i, **row) for i, row in enumerate(course(hours, seed=2)))]
    swapped, always = Stream(ONE), Stream(random_model(8))
    swapped.take(*events)
    always.take(*events)
    assert swapped.risks() != always.risks()
    state_stepping.rewarm(swapped.table, swapped.slot())
    swapped.model = swapped.scorer.model = always.model
    assert_same(swapped.committed(), always.committed())
    assert swapped.risks() == always.risks()


def test_a_new_model_on_a_long_stay_keeps_the_values_and_forgets_the_weights() -> None:
    events = [ADMISSION, *(observation(i, **row) for i, row in enumerate(course(120, seed=2)))]
    swapped, always = Stream(ONE), Stream(random_model(8))
    swapped.take(*events)
    always.take(*events)
    state_stepping.rewarm(swapped.table, swapped.slot())
    swapped.model = always.model
    one, other = swapped.committed(), always.committed()
    for name in ("memory", "anchor_memory"):
        assert one[name].tobytes() == other[name].tobytes()
    assert not one["anchor_h"].any()
    assert other["anchor_h"].any()


def test_static_facts_that_come_late_reach_every_hour_of_the_ring() -> None:
    rows = course(20, seed=3)
    first, later = Stream(ONE), Stream(ONE)
    events = [observation(i, **row) for i, row in enumerate(rows)]
    first.take(ADMISSION, *events)
    later.take(admission(), *events)
    assert first.risks() != later.risks()
    later.take(ADMISSION)
    assert_same(first.committed(), later.committed())


def test_a_long_gap_is_stepped_hour_by_hour() -> None:
    gap, hourly = Stream(ONE), Stream(ONE)
    gap.take(ADMISSION, observation(0, ph=7.3), last := observation(336, ph=7.2))
    hourly.take(ADMISSION, observation(0, ph=7.3), *(observation(i) for i in range(1, 336)), last)
    assert_same(gap.committed(), hourly.committed())
    assert bins([m.content for m in gap.messages]) == [0, 336]


@pytest.mark.parametrize("gap", [49, 50, 51, 99, 335])
def test_after_a_silence_all_is_as_if_each_hour_had_been_stepped(gap: int) -> None:
    rows = course(60, seed=gap)
    events = [observation(i, **row) for i, row in enumerate(rows)]
    # Another patient whose silence is shorter, in the same batch.
    events += [observation(40, "q", lactate=3), observation(40 + gap // 2, "q", ph=7.1)]
    after = [observation(59 + gap, lactate=2), observation(59 + gap + 0.5, ph=7.3)]
    late = observation(59 + gap - LATE_BINS + 0.5, lactate=9.5)  # the oldest hour of the ring
    silent, hourly = Stream(TWO, SELDOM_S), Stream(TWO, SELDOM_S)
    silent.take(ADMISSION, *events, *after)
    hourly.take(ADMISSION, *events, *(observation(60 + i) for i in range(gap - 1)), *after)
    assert_same(silent.committed(), hourly.committed())
    silent.take(late)
    hourly.take(late)
    assert_same(silent.committed(), hourly.committed())
    assert silent.risks() == hourly.risks()
    assert silent.rejections == hourly.rejections == []


def test_events_before_the_first_seen_have_negative_bins_where_no_admission_is_known() -> None:
    stream = Stream(ONE)
    stream.take(
        observation(10, ph=7.3), observation(9.9, ph=7.1), event(10, "observation", values={})
    )
    assert (stream.field("first_bin"), stream.field("open_bin")) == (-1, 0)
    assert stream.rejections == []
