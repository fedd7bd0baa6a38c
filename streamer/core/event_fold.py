"""The fold of events into stays: lifecycle, waves and timeline of many stays at once.

It changes the table that it is given and nothing else. Of networks it knows nothing: a `Follower`
goes along with it, and says what a closed bin, an evaluation point and the end of a stay cause. The
scorer follows with its recurrence (`scoring`), the archive with hour rows alone (`hour_rows`), so
both have the same hours of the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import expiry, stay_lifecycle, stay_rules, timeline
from streamer.core.assessment import EndReason
from streamer.core.canary_stays import CanaryStays
from streamer.core.columns import Columns
from streamer.core.day_limit import DayLimit
from streamer.core.events import EventRejected, Kind
from streamer.core.expiry import Days
from streamer.core.follower import Follower
from streamer.core.hour_ring import LATE_BINS, RING
from streamer.core.parallel_waves import Plan, Run, is_away, is_due, plan, turns
from streamer.core.reasons import Loss, Reason, ValueProblem
from streamer.core.scored_batch import Batch, Events, Outcome, matters
from streamer.core.stays import NEVER, Slots, StayTable
from streamer.core.time import HOUR_MS

_OBSERVATION: Final = Kind.OBSERVATION  # a member of an enumeration is slow to look up in a loop
_ACTION: Final = Kind.ACTION


class EventFold:
    """Folds batches of events into one table of stays.

    Args:
        table: the stays; they are the only state.
        interval_ms: evaluation interval in event time since admission; 0 makes every event that
            changes something an evaluation point, ``None`` none.
        follower: goes along.
    """

    def __init__(self, table: StayTable, interval_ms: int | None, follower: Follower) -> None:
        self.table = table
        self.interval_ms = interval_ms
        self._follower = follower
        self._canaries = CanaryStays(table, follower)

    def fold(
        self,
        columns: Columns,
        partitions: Sequence[int],
        home_partitions: Mapping[str, int] | None = None,
        noted_days: Days | None = None,
    ) -> Outcome:
        """Takes a batch of events into the stays.

        Args:
            columns: the decoded events, in the order of the log.
            partitions: the input partition of each event.
            home_partitions: by patient, for stays that are not in the table.
            noted_days: see `expiry.follow`.
        """
        if columns.variables != self.table.variables:
            raise ValueError("events of other variables than those of the table")
        n = len(columns.patients)
        outcome = Outcome([], list(columns.rejections), columns.losses.copy(), n_events=n)
        batch = Batch(
            columns,
            np.asarray(partitions, np.int32),
            outcome,
            days=np.zeros(n, np.int64),
            on_home_partition=np.ones(n, np.bool_),
            slots=np.full(n, -1, np.intp),
            clock_ms=np.where(columns.logged_ms > 0, columns.logged_ms, columns.time_ms),
            matters=matters(columns),
        )
        self._find_home_partitions(batch, home_partitions or {})
        batch.days, begins, expiries = expiry.follow(
            self.table, columns, batch.partitions, batch.on_home_partition, noted_days
        )
        outcome.new_days = [(event, int(batch.days[event])) for event in begins]
        begin = 0
        for event in expiries:
            self._stretch(batch, np.arange(begin, event))
            self._expire(batch, event)
            begin = event
        self._stretch(batch, np.arange(begin, n))
        outcome.rejections.sort(key=lambda rejection: rejection.record)
        return outcome

    def _find_home_partitions(self, batch: Batch, elsewhere: Mapping[str, int]) -> None:
        """Marks the events on the partition of their patient's stay; rejects the others."""
        columns = batch.columns
        slots = self._slots(columns)
        home = np.where(slots >= 0, self.table.partitions[slots], batch.partitions)
        known = dict(elsewhere)
        for event in np.flatnonzero(slots < 0).tolist():
            patient, partition = columns.patients[event], int(batch.partitions[event])
            if not columns.needs_stay[event]:
                known.setdefault(patient, partition)  # where a new patient is seen first
            home[event] = known.get(patient, partition)
        batch.on_home_partition = home == batch.partitions
        for event in np.flatnonzero(~batch.on_home_partition).tolist():
            came_on = batch.partitions[event]
            detail = f"the stay is on partition {home[event]}, the event came on {came_on}"
            batch.reject(event, Reason.OTHER_PARTITION, detail)

    def _stretch(self, batch: Batch, events: Events) -> None:
        """Folds a stretch of the batch in which no stay expires."""
        pending = self._add_stays(batch, events[batch.on_home_partition[events]])
        pending = pending[np.argsort(batch.slots[pending], kind="stable")]
        data = pending[batch.columns.kind[pending] != _ACTION]
        expiry.touch(self.table, batch.slots[data], batch.days[data])
        while len(pending):
            pending = self._apply_heads(batch, pending)
            pending = self._run(batch, pending)
        self._canaries.remove()

    def _add_stays(self, batch: Batch, events: Events) -> Events:
        """Finds or adds the stay of each event; returns the events that have one."""
        columns, slot_of, is_canary = batch.columns, self.table.slot_of, batch.columns.is_canary
        batch.slots[events] = self._slots(columns)[events]
        new = events[batch.slots[events] < 0]
        limit = DayLimit(self.table, batch, events) if self.table.most_a_day and len(new) else None
        for event in new.tolist():
            patient = columns.patients[event]
            slot = slot_of.get(patient, -1)  # one that was added a moment ago
            if slot < 0:
                if columns.needs_stay[event]:
                    kind = Kind(columns.kind[event]).name.lower()
                    detail = f"a {kind} of a patient of whom nothing is known"
                    batch.reject(event, Reason.NO_STAY, detail)
                elif limit is not None and not is_canary[event] and limit.refuses(event):
                    self._refuse_patient(batch, event)
                else:
                    slot = self.table.add(patient, int(batch.partitions[event]))
                    if not is_canary[event]:
                        batch.outcome.newcomers.append(event)
            batch.slots[event] = slot
            if limit is not None and slot >= 0 and not is_canary[event]:
                limit.came(event, patient)
        return events[batch.slots[events] >= 0]

    def _refuse_patient(self, batch: Batch, event: int) -> None:
        partition = int(batch.partitions[event])
        detail = f"partition {partition} has had {self.table.most_a_day} patients on this day"
        batch.reject(event, Reason.TOO_MANY_PATIENTS, detail)
        # It is not the home of the patient any more: with the next save another may be.
        self.table.gone.setdefault(partition, set()).add(batch.columns.patients[event])

    def _slots(self, columns: Columns) -> Slots:
        """The slot of each event's patient, -1 for one without a stay."""
        slot_of = self.table.slot_of
        slots = np.array([slot_of.get(patient, -1) for patient in columns.distinct], np.intp)
        return slots[columns.whose]

    def _apply_heads(self, batch: Batch, pending: Events) -> Events:
        """Applies the next event of each stay unless it is an observation; returns the rest."""
        columns, table = batch.columns, self.table
        first = np.flatnonzero(np.diff(batch.slots[pending], prepend=-1))
        heads = pending[first]
        is_observation = columns.kind[heads] == _OBSERVATION
        data = heads[columns.kind[heads] != _ACTION]  # an action is none: it moves nothing
        is_changed = self._settle(batch, data)
        self._end_stays_left(batch, data)
        turning = is_observation & turns(table, *self._silence(batch, heads))
        for event in heads[turning].tolist():
            stay_lifecycle.observed(table, int(batch.slots[event]), int(columns.time_ms[event]))
        keep = np.ones(len(pending), np.bool_)
        keep[first[~is_observation]] = False
        ended: list[int] = []
        others = heads[~is_observation]
        self._follower.pass_time(batch, others)
        for event in others.tolist():
            slot = int(batch.slots[event])
            if Kind(columns.kind[event]) is _ACTION:
                self._follower.act(batch, event)
                continue
            try:
                self._apply(batch, event, slot)
            except EventRejected as rejected:
                batch.reject(event, rejected.reason, rejected.detail)
            if table["discharge_ms"][slot] != NEVER:
                ended.append(event)
        self._end(batch, np.array(ended, np.intp), EndReason.DISCHARGE)
        is_changed |= (turning | ~is_observation)[columns.kind[heads] != _ACTION]
        is_changed |= table["notice"][batch.slots[data]] == 0
        if is_changed.any():
            self._follower.describe(batch, data[is_changed])
        return pending[keep]

    def _silence(self, batch: Batch, events: Events) -> tuple[Run, NDArray[np.int64]]:
        """These events as a run, and the hour bins between each and the open one of its stay."""
        table, run = self.table, batch.run_of(events)
        origin_ms = table["origin_ms"][run.slots]
        is_new = origin_ms == NEVER  # of a slot that was just added
        elapsed_ms = run.time_ms - np.where(is_new, run.time_ms, origin_ms)
        silent = elapsed_ms // HOUR_MS - table["open_bin"][run.slots]
        return run, np.where(is_new, stay_rules.SILENCE_BINS + 1, silent)

    def _settle(self, batch: Batch, heads: Events) -> NDArray[np.bool_]:
        """Applies discharges and admissions that were ahead; returns where one's time has come."""
        table, run = self.table, batch.run_of(heads)
        ended: list[int] = []
        due = is_due(table, run.slots, run.time_ms, run.clock_ms)
        for i in np.flatnonzero(due).tolist():
            event, slot = int(heads[i]), int(run.slots[i])
            now_ms = max(int(run.time_ms[i]), int(run.clock_ms[i]))
            if NEVER < table["discharge_due_ms"][slot] <= now_ms:
                stay_lifecycle.settle_discharge(table, slot)
                ended.append(event)
        self._end(batch, np.array(ended, np.intp), EndReason.DISCHARGE)
        for i in np.flatnonzero(is_due(table, run.slots, run.time_ms, run.clock_ms)).tolist():
            slot = int(run.slots[i])
            if stay_lifecycle.due_admission_leaves(table, slot):
                self._end(batch, heads[i : i + 1], EndReason.NEXT_STAY)
            stay_lifecycle.settle_admission(table, slot)
        return due

    def _end_stays_left(self, batch: Batch, heads: Events) -> None:
        """Ends the stays that their next event leaves behind."""
        table, columns = self.table, batch.columns
        heads = heads[self._follower.attends(batch.slots[heads])]
        run, silent = self._silence(batch, heads)
        leaves = stay_rules.observation_begins_stay(
            silent, run.time_ms, table["discharge_ms"][run.slots]
        )
        for i in np.flatnonzero(columns.kind[heads] != _OBSERVATION).tolist():
            event = int(heads[i])
            slot, time_ms = int(batch.slots[event]), int(columns.time_ms[event])
            acts = time_ms <= int(batch.clock_ms[event]) and not (
                stay_lifecycle.is_repeated(table, slot, time_ms, columns.details[event])
            )
            leaves[i] = acts and stay_lifecycle.leaves(
                table, slot, time_ms, Kind(columns.kind[event])
            )
        self._end(batch, heads[leaves], EndReason.NEXT_STAY)

    def _end(self, batch: Batch, events: Events, reason: EndReason) -> None:
        """Tells the follower of the stays of events that end, of those that it attends."""
        slots = batch.slots[events]
        attended = self._follower.attends(slots)
        if attended.any():
            self._follower.end(batch, slots[attended], events[attended], reason)
        if reason is EndReason.DISCHARGE:
            self._canaries.forget(batch, events)

    def _expire(self, batch: Batch, event: int) -> None:
        """Lets silent stays go before an event."""
        partition, day = int(batch.partitions[event]), int(batch.days[event])
        silent = expiry.silent(self.table, partition, day)
        silent = silent[self._follower.attends(silent)]
        if len(silent):
            self._follower.end(
                batch, silent, np.full(len(silent), event, np.intp), EndReason.SILENCE
            )
        gone = expiry.expire(self.table, partition, day)
        self._follower.let_go(batch, event, gone)

    def _apply(self, batch: Batch, event: int, slot: int) -> None:
        fields = batch.columns.details[event]
        time_ms, clock_ms = int(batch.columns.time_ms[event]), int(batch.clock_ms[event])
        if batch.columns.logged_ms[event] <= 0:  # without a clock: as late as all that was seen
            clock_ms = max(clock_ms, int(self.table["newest_ms"][slot]))
        losses = batch.outcome.losses
        match Kind(batch.columns.kind[event]):
            case Kind.ADMISSION:
                stay_lifecycle.admit(self.table, slot, time_ms, clock_ms, fields, losses)
            case Kind.DISCHARGE:
                cancelled = bool(fields.get("cancelled"))
                stay_lifecycle.discharge(self.table, slot, time_ms, clock_ms, cancelled=cancelled)
            case Kind.TRANSFER:
                stay_lifecycle.transfer(self.table, slot, time_ms, fields, losses)
            case _:
                stay_lifecycle.medicate(self.table, slot, time_ms, fields)

    def _run(self, batch: Batch, pending: Events) -> Events:
        """Works through each stay's observations up to its next event of another kind."""
        columns = batch.columns
        is_other = columns.kind[pending] != _OBSERVATION
        begins = np.diff(batch.slots[pending], prepend=-1) != 0
        others = np.cumsum(is_other)
        others_before_stay = np.maximum.accumulate(np.where(begins, others - is_other, 0))
        in_run = others == others_before_stay
        run = pending[in_run]
        steps = plan(self.table, batch.run_of(run), self.interval_ms)
        for event in run[steps.too_late].tolist():
            detail = f"its hour is closed for more than {LATE_BINS} h, or of a past stay"
            batch.reject(event, Reason.TOO_LATE, detail)
        for event in run[steps.before_admission].tolist():
            detail = "earlier than the ICU admission of the stay"
            batch.reject(event, Reason.BEFORE_ADMISSION, detail)
        is_taken = ~(steps.too_late | steps.before_admission)
        order = np.flatnonzero(~steps.cut)
        order = order[np.argsort(steps.wave[order], kind="stable")]
        for wave in np.split(order, np.flatnonzero(np.diff(steps.wave[order])) + 1):
            self._follower.pass_time(batch, run[wave])
            taken = wave[is_taken[wave]]
            if len(taken):
                self._wave(batch, run[taken], steps, taken)
        remains = ~in_run
        remains[in_run] = steps.cut
        left: Events = pending[remains]
        return left

    def _wave(self, batch: Batch, events: Events, steps: Plan, wave: Events) -> None:
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
            timeline.start_earlier(table, slots[earlier], bins[earlier])
        changed[before] = self._fold(batch, slots[before], events[before])
        if opens.any():
            fresh = opens & (table["started"][slots] == 0)
            timeline.start(table, slots[fresh], bins[fresh])
            self._advance(slots[opens], bins[opens])
            changed[opens] = self._fold(batch, slots[opens], events[opens])

        measures = columns.cell_start[events + 1] > columns.cell_start[events]
        batch.outcome.n_redundant += int((measures & ~changed).sum())
        evaluates = steps.evaluates[wave]
        time_ms = columns.time_ms[events]
        if self.interval_ms == 0:  # a repeated event changes nothing, so it says nothing either
            evaluates = evaluates & (changed | (time_ms > table["newest_ms"][slots]))
        elif self.interval_ms is not None and steps.may_evaluate[wave].any():
            is_away_now = is_away(
                table["evaluated_ms"][slots], batch.clock_ms[events], self.interval_ms
            )
            matters = batch.matters[events] & (bins < table["open_bin"][slots])
            evaluates = evaluates | (steps.may_evaluate[wave] & changed & (matters | is_away_now))
        np.maximum.at(table["newest_ms"], slots, time_ms)
        if not evaluates.any():
            return
        if self.interval_ms:
            interval = (time_ms - table["origin_ms"][slots]) // self.interval_ms * self.interval_ms
            np.maximum.at(table["interval"], slots[evaluates], interval[evaluates])
        table["evaluated_ms"][slots[evaluates]] = batch.clock_ms[events[evaluates]]
        self._follower.evaluate(batch, events[evaluates])

    def _advance(self, slots: Slots, targets: NDArray[np.int64]) -> None:
        """Closes bins until ``targets`` are the open bins: each closed bin is closed once.

        Bins without an event are rows with everything missing. ``slots`` are distinct.
        """
        table, follower = self.table, self._follower
        follower.refresh(slots)
        silent = targets - table["open_bin"][slots] > RING
        if silent.any():
            follower.pass_silence(slots[silent], targets[silent])
            timeline.open_after_silence(table, slots[silent], targets[silent])
        while (behind := table["open_bin"][slots] < targets).any():
            slots, targets = slots[behind], targets[behind]
            follower.close(slots)
            opening = table["open_bin"][slots] + 1
            leaving = opening - RING
            full = leaving > table["anchor_bin"][slots]
            if full.any():
                follower.leave_ring(slots[full], leaving[full])
                table["anchor_bin"][slots[full]] = leaving[full]
            timeline.clear_rows(table, slots, opening)
            table["open_bin"][slots] = opening

    def _fold(self, batch: Batch, slots: Slots, events: Events) -> NDArray[np.bool_]:
        """Folds the values of events; returns which of the events changed the ring."""
        columns = batch.columns
        cells, owner = columns.cells_of(events)
        folded = timeline.fold(
            self.table,
            slots[owner],
            timeline.Cells(
                columns.time_ms[events][owner],
                columns.variable[cells],
                columns.value[cells],
                columns.rank[cells],
            ),
        )
        for cell in cells[folded.conflicts].tolist():
            name = columns.variables.names[columns.variable[cell]]
            batch.outcome.losses[Loss(ValueProblem.CONFLICT, name, None)] += 1
        changed = np.zeros(len(events), np.bool_)
        changed[owner[folded.changed]] = True
        return changed
