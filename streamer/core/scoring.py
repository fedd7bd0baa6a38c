"""The one pass from events to evaluations: fold, step, evaluate, decide, for many stays at once.

It changes the table that it is given and nothing else. Batches cut differently give the same
evaluations; so do other stays in the batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import expiry, lifecycle, recurrence, timeline
from streamer.core.assessment import Assessments, assess
from streamer.core.columns import Columns
from streamer.core.events import EventRejected, Kind
from streamer.core.model import Model
from streamer.core.reasons import Reason, Rejection, ValueProblem
from streamer.core.stays import LATE_BINS, NEVER, Slots, StayTable
from streamer.core.waves import Plan, plan

Events = NDArray[np.intp]

_OBSERVATION: Final = Kind.OBSERVATION  # a member of an enumeration is slow to look up in a loop
_DISCHARGE: Final = Kind.DISCHARGE


@dataclass(slots=True)
class Outcome:
    """What a batch came to: the assessments of each wave, rejections by record, counts."""

    assessments: list[Assessments] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    problems: Counter[ValueProblem] = field(default_factory=Counter)
    n_events: int = 0
    n_late: int = 0  # observations of an hour that was closed already
    n_redundant: int = 0  # observations that changed nothing


class Scorer:
    """Scores batches of events against one table of stays with one model.

    Args:
        model: what steps and judges.
        table: the stays; theirs is the only state.
        interval_ms: evaluation interval in event time since admission; 0 evaluates every event
            that changes something.
        forecast: whether risks come with a forecast of vital signs, if the model has a head for it.
    """

    def __init__(
        self, model: Model, table: StayTable, interval_ms: int, forecast: bool = False
    ) -> None:
        self.model = model
        self.table = table
        self.interval_ms = interval_ms
        self._has_forecast = forecast and model.forecaster is not None

    def score(
        self,
        columns: Columns,
        partitions: Sequence[int],
        home_partitions: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Takes a batch of events into the stays.

        Args:
            columns: the decoded events, in the order of the log.
            partitions: the input partition of each event.
            home_partitions: by patient, for stays that are not in the table.
        """
        outcome = Outcome([], list(columns.rejections), columns.problems.copy())
        outcome.n_events = len(columns.patients)
        places = np.asarray(partitions, np.int32)
        on_home_partition = self._on_home_partition(columns, places, home_partitions or {}, outcome)
        # A discharge may be of no stay, and then nobody could tell later that it moved the clock.
        moves_clock = on_home_partition & (columns.kind != _DISCHARGE)
        days, turns = expiry.follow(self.table, places, columns.logged_ms, moves_clock)
        begin = 0
        for turn in turns:
            self._score(columns, places, days, np.arange(begin, turn), on_home_partition, outcome)
            expiry.expire(self.table, int(places[turn]), int(days[turn]))
            begin = turn
        rest = np.arange(begin, len(places))
        self._score(columns, places, days, rest, on_home_partition, outcome)
        outcome.rejections.sort(key=lambda rejection: rejection.record)
        return outcome

    def _on_home_partition(
        self,
        columns: Columns,
        places: NDArray[np.int32],
        home_partitions: Mapping[str, int],
        outcome: Outcome,
    ) -> NDArray[np.bool_]:
        """Finds the events on the partition of their patient's stay; rejects the others."""
        slot_of = self.table.slot_of
        slots = np.array([slot_of.get(patient, -1) for patient in columns.patients], np.intp)
        home = np.where(slots >= 0, self.table.partitions[slots], places)
        known = dict(home_partitions)
        for event in np.flatnonzero(slots < 0).tolist():
            patient, place = columns.patients[event], int(places[event])
            if columns.kind[event] != _DISCHARGE:
                known.setdefault(patient, place)  # where a new patient is seen first
            home[event] = known.get(patient, place)
        on_home_partition: NDArray[np.bool_] = home == places
        for event in np.flatnonzero(~on_home_partition).tolist():
            detail = f"the stay is on partition {home[event]}, the event came on {places[event]}"
            _reject(columns, event, Reason.OTHER_PARTITION, detail, outcome)
        return on_home_partition

    def _score(
        self,
        columns: Columns,
        places: NDArray[np.int32],
        days: NDArray[np.int64],
        events: Events,
        on_home_partition: NDArray[np.bool_],
        outcome: Outcome,
    ) -> None:
        """Scores a stretch of the batch in which no stay is let go."""
        slots = self._slots(columns, places, events[on_home_partition[events]], outcome)
        pending = np.argsort(slots, kind="stable")
        pending = pending[slots[pending] >= 0]
        expiry.touch(self.table, slots[pending], days[pending])
        while len(pending):
            pending = self._apply_heads(columns, slots, pending, outcome)
            pending = self._run(columns, slots, pending, outcome)

    def _slots(
        self, columns: Columns, places: NDArray[np.int32], events: Events, outcome: Outcome
    ) -> Slots:
        """Returns the slot of each event of the batch, -1 for all but ``events`` and strangers."""
        slot_of = self.table.slot_of
        slots = np.full(len(places), -1, np.intp)
        for event in events.tolist():
            patient = columns.patients[event]
            slot = slot_of.get(patient, -1)
            if slot < 0:
                if columns.kind[event] == _DISCHARGE:
                    detail = "a discharge of a patient of whom nothing is known"
                    _reject(columns, event, Reason.NO_STAY, detail, outcome)
                else:
                    slot = self.table.add(patient, int(places[event]))
            slots[event] = slot
        return slots

    def _apply_heads(
        self, columns: Columns, slots: Slots, pending: Events, outcome: Outcome
    ) -> Events:
        """Applies each stay's next event where it is no observation; readies the others."""
        first = np.flatnonzero(np.diff(slots[pending], prepend=-1))
        self._end_alerts_left(columns, slots, pending[first], outcome)
        keep = np.ones(len(pending), np.bool_)
        ended: list[int] = []
        for place in first:
            event = int(pending[place])
            slot, time_ms = int(slots[event]), int(columns.time_ms[event])
            if columns.kind[event] == _OBSERVATION:
                lifecycle.observed(self.table, slot, time_ms)
                continue
            keep[place] = False
            try:
                self._apply(columns, event, slot, outcome)
            except EventRejected as rejected:
                _reject(columns, event, rejected.reason, rejected.detail, outcome)
            if self.table["alert_severity"][slot] and self.table["discharge_ms"][slot] != NEVER:
                ended.append(event)
        if ended:
            events = np.array(ended)
            outcome.assessments.append(
                assess(self.table, self.model, slots[events], events, says_risk=False)
            )
        return pending[keep]

    def _end_alerts_left(
        self, columns: Columns, slots: Slots, heads: Events, outcome: Outcome
    ) -> None:
        """Ends the alert of each stay that its next event leaves behind without a discharge."""
        table = self.table
        left = [
            event
            for event in heads[table["alert_severity"][slots[heads]] > 0].tolist()
            if lifecycle.leaves(
                table, slots[event], int(columns.time_ms[event]), Kind(columns.kind[event])
            )
        ]
        if left:
            events = np.array(left)
            table["discharge_ms"][slots[events]] = table["newest_ms"][slots[events]]
            outcome.assessments.append(
                assess(table, self.model, slots[events], events, says_risk=False)
            )

    def _apply(self, columns: Columns, event: int, slot: int, outcome: Outcome) -> None:
        fields, time_ms = columns.details[event], int(columns.time_ms[event])
        match columns.kind[event]:
            case Kind.ADMISSION:
                lifecycle.admit(self.table, slot, time_ms, fields, outcome.problems)
            case Kind.DISCHARGE:
                lifecycle.discharge(self.table, slot, time_ms)
            case _:
                lifecycle.medicate(self.table, slot, time_ms, fields)

    def _run(self, columns: Columns, slots: Slots, pending: Events, outcome: Outcome) -> Events:
        """Works through each stay's observations up to its next event of another kind."""
        is_other = columns.kind[pending] != _OBSERVATION
        begins = np.diff(slots[pending], prepend=-1) != 0
        others = np.cumsum(is_other)
        others_before_stay = np.maximum.accumulate(np.where(begins, others - is_other, 0))
        in_run = others == others_before_stay
        run = pending[in_run]
        steps = plan(self.table, slots[run], columns.time_ms[run], self.interval_ms)
        for event in run[steps.too_late]:
            detail = f"its hour is closed for more than {LATE_BINS} h, or of a past stay"
            _reject(columns, int(event), Reason.TOO_LATE, detail, outcome)
        for event in run[steps.before_admission]:
            detail = "earlier than the ICU admission of the stay"
            _reject(columns, int(event), Reason.BEFORE_ADMISSION, detail, outcome)
        order = np.flatnonzero(~(steps.cut | steps.too_late | steps.before_admission))
        order = order[np.argsort(steps.wave[order], kind="stable")]
        for wave in np.split(order, np.flatnonzero(np.diff(steps.wave[order])) + 1):
            if len(wave):
                self._wave(columns, slots[run[wave]], run[wave], steps, wave, outcome)
        remains = ~in_run
        remains[in_run] = steps.cut
        left: Events = pending[remains]
        return left

    def _wave(
        self,
        columns: Columns,
        slots: Slots,
        events: Events,
        steps: Plan,
        wave: Events,
        outcome: Outcome,
    ) -> None:
        """Takes one wave: at most one event of each stay opens a bin or is evaluated, its last."""
        table = self.table
        table.touched[slots] = True
        opens, bins = steps.opens[wave], steps.bins[wave]
        changed = np.zeros(len(events), np.bool_)

        before = ~opens
        outcome.n_late += int((table["started"][slots] & (bins < table["open_bin"][slots])).sum())
        earlier = before & (bins < table["first_bin"][slots])
        if earlier.any():
            recurrence.start_earlier(table, slots[earlier], bins[earlier])
        changed[before] = self._fold(columns, slots[before], events[before])
        if opens.any():
            fresh = opens & (table["started"][slots] == 0)
            recurrence.start(table, slots[fresh], bins[fresh])
            recurrence.advance(table, self.model, slots[opens], bins[opens])
            changed[opens] = self._fold(columns, slots[opens], events[opens])

        measures = columns.cell_start[events + 1] > columns.cell_start[events]
        outcome.n_redundant += int((measures & ~changed).sum())
        evaluates = steps.evaluates[wave]
        time_ms = columns.time_ms[events]
        if self.interval_ms == 0:  # a repeated event changes nothing, so it says nothing either
            evaluates = evaluates & (changed | (time_ms > table["newest_ms"][slots]))
        np.maximum.at(table["newest_ms"], slots, time_ms)
        if self.interval_ms:
            interval = (time_ms - table["origin_ms"][slots]) // self.interval_ms * self.interval_ms
            np.maximum.at(table["interval"], slots[evaluates], interval[evaluates])
        if evaluates.any():
            found = assess(
                table,
                self.model,
                slots[evaluates],
                events[evaluates],
                has_forecast=self._has_forecast,
            )
            outcome.assessments.append(found)

    def _fold(self, columns: Columns, slots: Slots, events: Events) -> NDArray[np.bool_]:
        """Folds the values of events; returns which of the events changed the ring."""
        cells, owner = columns.cells_of(events)
        changed_cells = timeline.fold(
            self.table,
            slots[owner],
            columns.time_ms[events][owner],
            columns.variable[cells],
            columns.value[cells],
        )
        changed = np.zeros(len(events), np.bool_)
        changed[owner[changed_cells]] = True
        return changed


def _reject(columns: Columns, event: int, reason: Reason, detail: str, outcome: Outcome) -> None:
    outcome.rejections.append(Rejection(int(columns.record[event]), reason, detail))
