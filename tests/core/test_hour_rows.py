"""Stays as their hour rows: whole, once, whatever the batches, late events where they belong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamer.core.columns import decode
from streamer.core.event_fold import EventFold
from streamer.core.hour_rows import NO_NETWORK, HourRows, StayRows
from streamer.core.stays import NEVER, StayTable
from streamer.core.time import HOUR_MS
from streamer.core.variables import INDEX
from tests.support.event_stream import (
    ORIGIN_MS,
    Event,
    admission,
    discharge,
    observation,
    record,
)

HEART_RATE = INDEX["heart_rate"]


class Fold:
    """A fold of events into rows; the log's time is that of the events unless ``at`` says it."""

    def __init__(self) -> None:
        self.table = StayTable(NO_NETWORK, capacity=2)
        self.done: list[StayRows] = []
        self.rows = HourRows(self.table, self.done.append)
        self.folding = EventFold(self.table, None, self.rows)

    def take(self, events: Sequence[Event], size: int = 1000) -> Fold:
        records = [
            record(event, i, str(event["patient_id"]).encode(), event["time"])
            for i, event in enumerate(events)
        ]
        for first in range(0, len(records), size):
            columns = decode(records[first : first + size], None)
            outcome = self.folding.fold(columns, [0] * len(columns.patients))
            assert not outcome.assessments
        return self

    def finish(self) -> list[StayRows]:
        self.rows.finish(np.array(list(self.table.slot_of.values()), np.intp))
        return self.done


def rates(stay: StayRows) -> list[float]:
    column: list[float] = stay.rows[:, HEART_RATE].tolist()
    return column


def long_stay(hours: int) -> list[Event]:
    return [admission(0), *(observation(h + 0.5, heart_rate=60 + h) for h in range(hours))]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stay_is_whole_though_most_of_it_has_left_the_ring(size: int) -> None:
    [stay] = Fold().take(long_stay(120), size).finish()
    assert rates(stay) == [60.0 + h for h in range(120)]
    assert (stay.origin_ms, stay.first_bin, stay.is_admitted) == (ORIGIN_MS, 0, True)
    assert stay.newest_ms == ORIGIN_MS + round(119.5 * HOUR_MS)


def test_late_values_are_where_they_belong_and_hours_without_events_are_empty() -> None:
    events = [*long_stay(60), observation(12.7, heart_rate=99), observation(70, heart_rate=50)]
    [stay] = Fold().take(events).finish()
    assert rates(stay)[12] == 99
    assert len(stay.rows) == 71
    assert np.isnan(rates(stay)[60:70]).all()
    assert rates(stay)[70] == 50


@pytest.mark.parametrize("gap", [48, 49, 50, 51, 200])
def test_silent_hours_are_empty_rows(gap: int) -> None:
    [stay] = Fold().take([*long_stay(60), observation(59 + gap, heart_rate=50)], 1000).finish()
    assert rates(stay)[:60] == [60.0 + h for h in range(60)]
    assert len(stay.rows) == 60 + gap
    assert np.isnan(stay.rows[60:-1]).all()
    assert rates(stay)[-1] == 50


def test_the_next_stay_hands_over_the_one_before() -> None:
    events = [
        *long_stay(60),
        discharge(61),
        admission(200, age=50),
        observation(201, heart_rate=1e2),
    ]
    fold = Fold().take(events)
    [first] = fold.done
    assert len(first.rows) == 60
    assert first.discharge_ms == ORIGIN_MS + 61 * HOUR_MS
    second = fold.finish()[1]
    assert (second.first_bin, rates(second)) == (1, [100.0])
    assert second.static[0] == 50
    assert second.discharge_ms == NEVER


def test_a_discharge_hands_nothing_over_while_results_may_still_come() -> None:
    fold = Fold().take([*long_stay(5), discharge(6), observation(4.9, heart_rate=98)])
    assert fold.done == []
    [stay] = fold.finish()
    assert rates(stay)[4] == 98


def test_silence_hands_a_stay_over() -> None:
    events = [*long_stay(3), observation(17 * 24, "other", heart_rate=70)]
    [stay] = Fold().take(events).done
    assert stay.patient == "p"
    assert rates(stay) == [60.0, 61.0, 62.0]


def test_a_later_admission_lays_the_hours_anew() -> None:
    events = [observation(5, heart_rate=70), observation(8, heart_rate=80), admission(4.5)]
    [stay] = Fold().take(events).finish()
    assert stay.origin_ms == ORIGIN_MS + round(4.5 * HOUR_MS)
    assert (stay.first_bin, len(stay.rows)) == (0, 4)
    assert (rates(stay)[0], rates(stay)[3]) == (70.0, 80.0)
