from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.core.lstm_network import Architecture
from streamer.core.parallel_waves import Plan, Run, plan
from streamer.core.stay_rules import SILENCE_BINS
from streamer.core.stays import Slots, StayTable
from streamer.core.time import HOUR_MS
from tests.support.event_stream import MINUTE_MS, ORIGIN_MS

SMALL = Architecture(n_features=1, hidden=1)


def table_of(n_stays: int, **fields: int) -> StayTable:
    table = StayTable(SMALL, capacity=n_stays)
    for patient in range(n_stays):
        slot = table.add(str(patient), 0)
        table["origin_ms"][slot] = ORIGIN_MS
        table["admitted"][slot] = 1
        for name, value in fields.items():
            table[name][slot] = value
    return table


def planned(
    minutes: Sequence[float],
    interval_s: int = 60,
    slots: Sequence[int] | None = None,
    table: StayTable | None = None,
) -> Plan:
    time_ms = ORIGIN_MS + np.round(np.array(minutes) * MINUTE_MS).astype(np.int64)
    where = np.array([0] * len(minutes) if slots is None else slots, np.intp)
    run = run_of(where, time_ms)
    return plan(table or table_of(max(where, default=0) + 1), run, interval_s * 1000)


def run_of(slots: Slots, time_ms: NDArray[np.int64]) -> Run:
    """A run without laboratory values; its records are written when they are true."""
    return Run(slots, time_ms, time_ms, np.zeros(len(slots), np.bool_))


def test_the_first_event_opens_its_bin() -> None:
    steps = planned([130.5])
    assert steps.bins.tolist() == [2]
    assert steps.opens.tolist() == steps.evaluates.tolist() == [True]


def test_an_empty_run_has_an_empty_plan() -> None:
    steps = planned([])
    assert len(steps.wave) == len(steps.cut) == 0


@pytest.mark.parametrize(
    ("interval_s", "evaluates"),
    [
        (0, [1, 1, 1, 1, 1, 1, 1]),
        (60, [1, 0, 1, 1, 0, 1, 1]),
        (3600, [1, 0, 0, 0, 0, 1, 1]),
        (7200, [1, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_the_first_event_of_each_interval_is_evaluated(
    interval_s: int, evaluates: list[int]
) -> None:
    # The edges themselves belong to the interval that they begin; the fifth event comes late.
    steps = planned([0, 0.999, 1, 59.999, 30, 60, 120], interval_s)
    assert steps.evaluates.tolist() == [bool(e) for e in evaluates]
    assert steps.opens.tolist() == [True, False, False, False, False, True, True]


def test_an_interval_that_was_evaluated_before_the_run_is_not_again() -> None:
    table = table_of(1, started=1, open_bin=0, interval=5 * MINUTE_MS)
    assert planned([4, 5.5, 6], table=table).evaluates.tolist() == [False, False, True]


def test_a_wave_ends_with_what_opens_or_is_evaluated() -> None:
    steps = planned([0, 0.5, 0.6, 1, 1.1, 60, 2])
    assert steps.wave.tolist() == [0, 1, 1, 1, 2, 2, 4]  # the last alone


def test_waves_of_different_stays_do_not_mix() -> None:
    alone = planned([0, 0.5, 1, 61])
    both = planned([0, 0.5, 1, 61] * 2, slots=[0] * 4 + [1] * 4)
    for name in ("wave", "bins", "opens", "evaluates", "too_late", "before_admission", "cut"):
        assert getattr(both, name).tolist() == getattr(alone, name).tolist() * 2, name


@pytest.mark.parametrize("admitted", [0, 1])
def test_before_the_admission(admitted: int) -> None:
    table = table_of(1, started=1, admitted=admitted)
    steps = planned([-1 / MINUTE_MS, 0], table=table)
    assert steps.before_admission.tolist() == [bool(admitted), False]
    assert not steps.too_late.any()


def test_48_bins_back_is_in_time_and_49_too_late() -> None:
    table = table_of(1, started=1, open_bin=60)
    steps = planned([12 * 60, 12 * 60 - 0.001], table=table)
    assert steps.bins.tolist() == [12, 11]
    assert steps.too_late.tolist() == [False, True]


def test_too_late_counts_from_the_newest_event_of_the_run_too() -> None:
    assert planned([0, 49 * 60, 0, 60]).too_late.tolist() == [False, False, True, False]


def test_silence_cuts_the_run_and_all_that_follows() -> None:
    gap = 60 * SILENCE_BINS
    assert planned([0, gap, 2 * gap, 5]).cut.tolist() == [False] * 4
    assert planned([0, gap + 60, 5]).cut.tolist() == [False, True, True]
    assert planned([gap + 60]).cut.tolist() == [True]  # counted from a known admission


def test_what_is_after_the_discharge_is_cut() -> None:
    table = table_of(1, started=1, discharge_ms=ORIGIN_MS + 5 * MINUTE_MS)
    steps = planned([5, 4, 6, 1], table=table)
    assert steps.cut.tolist() == [False, False, True, True]


def test_a_stay_without_origin_is_cut() -> None:
    table = table_of(1, origin_ms=np.iinfo(np.int64).min, admitted=0)
    assert planned([0, 1], table=table).cut.tolist() == [True, True]


def test_a_past_stay_is_past() -> None:
    table = table_of(1, started=1, admitted=0, past_ms=ORIGIN_MS - 30 * MINUTE_MS)
    steps = planned([-30, -29.9, 1], table=table)
    assert steps.too_late.tolist() == [True, False, False]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-300, 30_000)), max_size=30),
    st.sampled_from([0, 60, 3600, 7200]),
)
def test_the_plan_equals_one_event_after_the_other(
    events: list[tuple[int, int]], interval_s: int
) -> None:
    """The running maxima over groups, against the same rules written as a loop."""
    events = sorted(events, key=lambda event: event[0])
    table = table_of(3)
    steps = planned([m for _, m in events], interval_s, [s for s, _ in events], table)
    open_bin: dict[int, int] = {}
    seen: dict[int, int] = {}
    over: set[int] = set()
    for i, (slot, minute) in enumerate(events):
        bin_ = minute // 60
        if slot in over or bin_ - open_bin.get(slot, 0) > SILENCE_BINS:
            over.add(slot)
            assert steps.cut[i]
            continue
        before = bin_ < 0
        late = not before and slot in open_bin and bin_ < open_bin[slot] - 48
        assert (steps.cut[i], steps.before_admission[i], steps.too_late[i]) == (False, before, late)
        valid = not (before or late)
        opens = valid and (slot not in open_bin or bin_ > open_bin[slot])
        assert steps.opens[i] == opens
        interval = minute * MINUTE_MS // (interval_s * 1000) if interval_s else i
        evaluates = valid and (not interval_s or interval > seen.get(slot, -1))
        assert steps.evaluates[i] == evaluates
        if opens:
            open_bin[slot] = bin_
        if evaluates:
            seen[slot] = interval


def test_times_at_the_end_of_the_calendar_do_not_spill_into_the_next_stay() -> None:
    latest = 253_402_300_799_999
    table = table_of(2)
    table["origin_ms"][0] = latest - HOUR_MS + 1
    slots = np.array([0, 0, 1, 1])
    time_ms = np.array([latest - HOUR_MS + 1, latest, ORIGIN_MS, ORIGIN_MS + HOUR_MS])
    steps = plan(table, run_of(slots, time_ms), 60_000)
    assert steps.opens.tolist() == [True, False, True, True]
    assert steps.evaluates.tolist() == [True] * 4
