"""The response of people goes along with the fold: deadlines, actions, and what is said of both.

It is the part of a `follower.Follower` that knows no network: the scorer hands on what vitals did
to alerts, and it adds phases and notices to the outcome of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.core import answers, responses
from streamer.core.actions import Action, ActionKind, read_action
from streamer.core.alerts import Phase
from streamer.core.answers import ActionRefusal, Answer
from streamer.core.assessment import Assessments, EndReason
from streamer.core.responses import ResponsePolicy
from streamer.core.scored_batch import Batch, Events
from streamer.core.standings import Standing, standing
from streamer.core.stay_notices import StayNotice, StaySummary, changed_summary, is_news, summary_of
from streamer.core.stays import StayTable


class Responding:
    """Keeps the response of the stays of one table.

    Args:
        table: the stays.
        policy: how long people have.
    """

    def __init__(self, table: StayTable, policy: ResponsePolicy) -> None:
        self._table = table
        self._policy = policy

    def follow(self, batch: Batch, assessments: Assessments) -> None:
        """Follows what vitals did to alerts; the assessments get the standing of each."""
        rows = np.flatnonzero(assessments.phase != Phase.NONE)
        if not len(rows):
            return
        events = assessments.event[rows]
        slots = np.array(
            [self._table.slot_of[assessments.patients[row]] for row in rows.tolist()], np.intp
        )
        standings = responses.follow(
            self._table,
            self._policy,
            slots,
            assessments.phase[rows],
            batch.clock_ms[events],
            leaves=assessments.end_reason is EndReason.DISCHARGE,
        )
        assessments.standings.update(zip(rows.tolist(), standings, strict=True))
        if assessments.end_reason is not EndReason.SILENCE:  # else the stay is let go at once
            for event, slot in zip(events.tolist(), slots.tolist(), strict=True):
                self._note(batch, event, slot)

    def pass_time(self, batch: Batch, events: Events) -> None:
        """See `follower.Follower`."""
        slots = batch.slots[events]
        is_due: NDArray[np.bool_] = batch.clock_ms[events] >= self._table["deadline_ms"][slots]
        events = events[is_due]
        while len(events):
            slots = batch.slots[events]
            first = np.zeros(len(events), np.bool_)
            first[np.unique(slots, return_index=True)[1]] = True
            judged, clock_ms = events[first], batch.clock_ms[events[first]]
            for i, phase, stands in responses.pass_time(
                self._table, self._policy, slots[first], clock_ms
            ):
                self._say(batch, int(judged[i]), str(phase), int(clock_ms[i]), stands)
            events, slots = events[~first], slots[~first]
            events = events[batch.clock_ms[events] >= self._table["deadline_ms"][slots]]

    def act(self, batch: Batch, event: int) -> None:
        """See `follower.Follower`."""
        table, slot = self._table, int(batch.slots[event])
        action = read_action(batch.columns.details[event])
        if answers.is_repeated(table, slot, action):
            return
        clock_ms = int(batch.clock_ms[event])
        refusal = answers.take(table, self._policy, slot, action, clock_ms)
        phase = answers.REFUSED if refusal else str(action.kind)
        self._say(
            batch,
            event,
            phase,
            int(batch.columns.time_ms[event]),
            standing(table, slot, clock_ms),
            (action, refusal),
        )

    def describe(self, batch: Batch, events: Events) -> None:
        """See `follower.Follower`."""
        slots = batch.slots[events]
        responses.set_deadline(self._table, self._policy, slots)  # an antibiotic may have begun
        for event, slot in zip(events.tolist(), slots.tolist(), strict=True):
            summary = changed_summary(self._table, slot)
            if summary is not None:
                self._notice(batch, event, slot, summary)

    def let_go(self, batch: Batch, event: int, patients: Sequence[str]) -> None:
        """See `follower.Follower`."""
        time_ms = int(batch.columns.time_ms[event])
        after = len(batch.outcome.assessments)
        batch.outcome.notices += [
            StayNotice(event, after, patient, time_ms, None) for patient in patients
        ]

    def _say(
        self,
        batch: Batch,
        event: int,
        phase: str,
        time_ms: int,
        standing: Standing,
        cause: tuple[Action, ActionRefusal | None] | None = None,
    ) -> None:
        """Adds a phase to the outcome, and the stay where the phase has changed it."""
        table, slot = self._table, int(batch.slots[event])
        action, refusal = cause or (None, None)
        alert_id = answers.last_alert_id(table, slot)
        is_earlier = False
        if action is not None and action.alert_id is not None:
            is_earlier, alert_id = action.alert_id != alert_id, action.alert_id
        severity = int(table["alert_severity"][slot]) or int(table["alert_peak"][slot])
        batch.outcome.notices.append(
            Answer(
                event,
                len(batch.outcome.assessments),
                batch.columns.patients[event],
                phase,
                alert_id,
                time_ms,
                severity,
                float(table["risk"][slot, 0]),
                None if is_earlier else standing,
                action,
                refusal,
            )
        )
        if refusal is None and (action is None or action.kind is not ActionKind.FEEDBACK):
            self._note(batch, event, slot)

    def _note(self, batch: Batch, event: int, slot: int) -> None:
        """Says a stay whose alert has changed."""
        summary = summary_of(self._table, slot)
        is_news(self._table, slot, summary)  # it is said in any case
        self._notice(batch, event, slot, summary)

    def _notice(self, batch: Batch, event: int, slot: int, summary: StaySummary) -> None:
        batch.outcome.notices.append(
            StayNotice(
                event,
                len(batch.outcome.assessments),
                str(self._table.patients[slot]),
                int(batch.columns.time_ms[event]),
                summary,
                self._table.notes[slot].alert,
            )
        )
