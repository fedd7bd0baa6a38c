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

from streamer.core import expiry, late_events, lifecycle, state_stepping, stay_rules, timeline
from streamer.core.assessment import Assessments, assess
from streamer.core.columns import Columns
from streamer.core.events import EventRejected, Kind
from streamer.core.model import Model
from streamer.core.reasons import Reason, Rejection, ValueProblem
from streamer.core.stays import LATE_BINS, NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS
from streamer.core.waves import Plan, plan

Events = NDArray[np.intp]

_OBSERVATION: Final = Kind.OBSERVATION  # a member of an enumeration is slow to look up in a loop
_DISCHARGE: Final = Kind.DISCHARGE


@dataclass(slots=True)
class Outcome:
    """The result of a batch: the assessments of each wave, rejections by record, counts."""

    assessments: list[Assessments] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    problems: Counter[ValueProblem] = field(default_factory=Counter)
    n_events: int = 0
    n_late: int = 0  # observations of an hour that was closed already
    n_redundant: int = 0  # observations that changed nothing


@dataclass(slots=True)
class _Batch:
    """A batch of ``E`` events on its way through the scorer.

    Attributes:
        columns: the decoded events, in the order of the log.
        partitions: ``(E,)`` the input partition of each event.
        outcome: the result so far.
        days: ``(E,)`` the day of the log at each event.
        on_home_partition: ``(E,)`` whether it came on the partition of its patient's stay.
        slots: ``(E,)`` the slot of its stay, -1 while it has none.
    """

    columns: Columns
    partitions: NDArray[np.int32]
    outcome: Outcome
    days: NDArray[np.int64]
    on_home_partition: NDArray[np.bool_]
    slots: Slots

    def reject(self, event: int, reason: Reason, detail: str) -> None:
        """Notes that an event is rejected."""
        record = int(self.columns.record[event])
        self.outcome.rejections.append(Rejection(record, reason, detail))


class Scorer:
    """Scores batches of events against one table of stays with one model.

    Args:
        model: the network with its scaling, calibration and thresholds.
        table: the stays; they are the only state.
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
        n = len(columns.patients)
        outcome = Outcome([], list(columns.rejections), columns.problems.copy(), n_events=n)
        batch = _Batch(
            columns,
            np.asarray(partitions, np.int32),
            outcome,
            days=np.zeros(n, np.int64),
            on_home_partition=np.ones(n, np.bool_),
            slots=np.full(n, -1, np.intp),
        )
        self._find_home_partitions(batch, home_partitions or {})
        # A discharge may be of no stay, and then nobody could tell later that it moved the clock.
        moves_clock = batch.on_home_partition & (columns.kind != _DISCHARGE)
        batch.days, expiries = expiry.follow(
            self.table, batch.partitions, columns.logged_ms, moves_clock
        )
        begin = 0
        for event in expiries:
            self._score(batch, np.arange(begin, event))
            expiry.expire(self.table, int(batch.partitions[event]), int(batch.days[event]))
            begin = event
        self._score(batch, np.arange(begin, n))
        outcome.rejections.sort(key=lambda rejection: rejection.record)
        return outcome

    def _find_home_partitions(self, batch: _Batch, elsewhere: Mapping[str, int]) -> None:
        """Marks the events on the partition of their patient's stay; rejects the others."""
        columns, slot_of = batch.columns, self.table.slot_of
        slots = np.array([slot_of.get(patient, -1) for patient in columns.patients], np.intp)
        home = np.where(slots >= 0, self.table.partitions[slots], batch.partitions)
        known = dict(elsewhere)
        for event in np.flatnonzero(slots < 0).tolist():
            patient, partition = columns.patients[event], int(batch.partitions[event])
            if columns.kind[event] != _DISCHARGE:
                known.setdefault(patient, partition)  # where a new patient is seen first
            home[event] = known.get(patient, partition)
        batch.on_home_partition = home == batch.partitions
        for event in np.flatnonzero(~batch.on_home_partition).tolist():
            came_on = batch.partitions[event]
            detail = f"the stay is on partition {home[event]}, the event came on {came_on}"
            batch.reject(event, Reason.OTHER_PARTITION, detail)

    def _score(self, batch: _Batch, events: Events) -> None:
        """Scores a stretch of the batch in which no stay expires."""
        pending = self._add_stays(batch, events[batch.on_home_partition[events]])
        pending = pending[np.argsort(batch.slots[pending], kind="stable")]
        expiry.touch(self.table, batch.slots[pending], batch.days[pending])
        while len(pending):
            pending = self._apply_heads(batch, pending)
            pending = self._run(batch, pending)

    def _add_stays(self, batch: _Batch, events: Events) -> Events:
        """Finds or adds the stay of each event; returns the events that have one."""
        patients, slot_of = batch.columns.patients, self.table.slot_of
        batch.slots[events] = [slot_of.get(patients[event], -1) for event in events.tolist()]
        for event in events[batch.slots[events] < 0].tolist():
            patient = patients[event]
            slot = slot_of.get(patient, -1)  # one that was added a moment ago
            if slot < 0:
                if batch.columns.kind[event] == _DISCHARGE:
                    detail = "a discharge of a patient of whom nothing is known"
                    batch.reject(event, Reason.NO_STAY, detail)
                else:
                    slot = self.table.add(patient, int(batch.partitions[event]))
            batch.slots[event] = slot
        return events[batch.slots[events] >= 0]

    def _apply_heads(self, batch: _Batch, pending: Events) -> Events:
        """Applies the next event of each stay unless it is an observation; returns the rest."""
        columns, table = batch.columns, self.table
        first = np.flatnonzero(np.diff(batch.slots[pending], prepend=-1))
        heads = pending[first]
        is_observation = columns.kind[heads] == _OBSERVATION
        self._end_alerts_left(batch, heads)
        begins = is_observation & self._begin_stays(batch, heads)
        for event in heads[begins].tolist():
            lifecycle.observed(table, int(batch.slots[event]), int(columns.time_ms[event]))
        keep = np.ones(len(pending), np.bool_)
        keep[first[~is_observation]] = False
        ended: list[int] = []
        for event in heads[~is_observation].tolist():
            slot = int(batch.slots[event])
            try:
                self._apply(batch, event, slot)
            except EventRejected as rejected:
                batch.reject(event, rejected.reason, rejected.detail)
            if table["alert_severity"][slot] and table["discharge_ms"][slot] != NEVER:
                ended.append(event)
        self._assess(batch, np.array(ended, np.intp), says_risk=False)
        return pending[keep]

    def _begin_stays(self, batch: _Batch, events: Events) -> NDArray[np.bool_]:
        """Which of these begin a stay, as ``lifecycle.observed`` does, if they are observations.

        Most begin none, and asking each of them took a third of the scoring of a ward.
        """
        table, slots, time_ms = self.table, batch.slots[events], batch.columns.time_ms[events]
        origin_ms = table["origin_ms"][slots]
        is_new = origin_ms == NEVER
        elapsed_ms = time_ms - np.where(is_new, time_ms, origin_ms)
        silent_bins = elapsed_ms // HOUR_MS - table["open_bin"][slots]
        begins: NDArray[np.bool_] = is_new | stay_rules.observation_begins_stay(
            silent_bins, time_ms, table["discharge_ms"][slots]
        )
        return begins

    def _end_alerts_left(self, batch: _Batch, heads: Events) -> None:
        """Ends the alert of each stay that its next event leaves behind without a discharge."""
        table, columns = self.table, batch.columns
        heads = heads[table["alert_severity"][batch.slots[heads]] > 0]
        leaves = self._begin_stays(batch, heads)
        for i in np.flatnonzero(columns.kind[heads] != _OBSERVATION).tolist():
            event = int(heads[i])
            slot, time_ms = int(batch.slots[event]), int(columns.time_ms[event])
            leaves[i] = lifecycle.leaves(table, slot, time_ms, Kind(columns.kind[event]))
        left = heads[leaves]
        slots = batch.slots[left]
        table["discharge_ms"][slots] = table["newest_ms"][slots]
        self._assess(batch, left, says_risk=False)

    def _apply(self, batch: _Batch, event: int, slot: int) -> None:
        fields = batch.columns.details[event]
        time_ms = int(batch.columns.time_ms[event])
        match batch.columns.kind[event]:
            case Kind.ADMISSION:
                lifecycle.admit(self.table, slot, time_ms, fields, batch.outcome.problems)
            case Kind.DISCHARGE:
                lifecycle.discharge(self.table, slot, time_ms)
            case _:
                lifecycle.medicate(self.table, slot, time_ms, fields)

    def _run(self, batch: _Batch, pending: Events) -> Events:
        """Works through each stay's observations up to its next event of another kind."""
        columns = batch.columns
        is_other = columns.kind[pending] != _OBSERVATION
        begins = np.diff(batch.slots[pending], prepend=-1) != 0
        others = np.cumsum(is_other)
        others_before_stay = np.maximum.accumulate(np.where(begins, others - is_other, 0))
        in_run = others == others_before_stay
        run = pending[in_run]
        steps = plan(self.table, batch.slots[run], columns.time_ms[run], self.interval_ms)
        for event in run[steps.too_late].tolist():
            detail = f"its hour is closed for more than {LATE_BINS} h, or of a past stay"
            batch.reject(event, Reason.TOO_LATE, detail)
        for event in run[steps.before_admission].tolist():
            detail = "earlier than the ICU admission of the stay"
            batch.reject(event, Reason.BEFORE_ADMISSION, detail)
        order = np.flatnonzero(~(steps.cut | steps.too_late | steps.before_admission))
        order = order[np.argsort(steps.wave[order], kind="stable")]
        for wave in np.split(order, np.flatnonzero(np.diff(steps.wave[order])) + 1):
            if len(wave):
                self._wave(batch, run[wave], steps, wave)
        remains = ~in_run
        remains[in_run] = steps.cut
        left: Events = pending[remains]
        return left

    def _wave(self, batch: _Batch, events: Events, steps: Plan, wave: Events) -> None:
        """Takes one wave: at most one event of each stay opens a bin or is evaluated, its last.

        Args:
            batch: the batch.
            events: ``(n,)`` events of the wave.
            steps: the plan of the run.
            wave: ``(n,)`` positions of the events in the run.
        """
        table, columns, slots = self.table, batch.columns, batch.slots[events]
        table.touched[slots] = True
        opens, bins = steps.opens[wave], steps.bins[wave]
        changed = np.zeros(len(events), np.bool_)

        before = ~opens
        late = (table["started"][slots] == 1) & (bins < table["open_bin"][slots])
        batch.outcome.n_late += int(late.sum())
        earlier = before & (bins < table["first_bin"][slots])
        if earlier.any():
            late_events.start_earlier(table, slots[earlier], bins[earlier])
        changed[before] = self._fold(columns, slots[before], events[before])
        if opens.any():
            fresh = opens & (table["started"][slots] == 0)
            state_stepping.start(table, slots[fresh], bins[fresh])
            state_stepping.advance(table, self.model, slots[opens], bins[opens])
            changed[opens] = self._fold(columns, slots[opens], events[opens])

        measures = columns.cell_start[events + 1] > columns.cell_start[events]
        batch.outcome.n_redundant += int((measures & ~changed).sum())
        evaluates = steps.evaluates[wave]
        time_ms = columns.time_ms[events]
        if self.interval_ms == 0:  # a repeated event changes nothing, so it says nothing either
            evaluates = evaluates & (changed | (time_ms > table["newest_ms"][slots]))
        np.maximum.at(table["newest_ms"], slots, time_ms)
        if self.interval_ms:
            interval = (time_ms - table["origin_ms"][slots]) // self.interval_ms * self.interval_ms
            np.maximum.at(table["interval"], slots[evaluates], interval[evaluates])
        self._assess(batch, events[evaluates])

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

    def _assess(self, batch: _Batch, events: Events, *, says_risk: bool = True) -> None:
        """Evaluates the stays of events as they stand now; one that only ends says no risk."""
        if not len(events):
            return
        assessments = assess(
            self.table,
            self.model,
            batch.slots[events],
            events,
            says_risk=says_risk,
            has_forecast=says_risk and self._has_forecast,
        )
        batch.outcome.assessments.append(assessments)
