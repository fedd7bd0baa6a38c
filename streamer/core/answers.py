"""An action taken into the stay of its patient, and the phase of the alert that says so.

A phase is said for each action once, also for one that is refused; an action that comes again
changes nothing and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import orjson

from streamer.core import responses
from streamer.core.actions import OF_PATIENT, Action, ActionKind
from streamer.core.responses import ResponsePolicy
from streamer.core.standings import Standing, is_paused, is_snoozed
from streamer.core.stays import StayTable
from streamer.core.time import MINUTE_MS, rfc3339

OVERDUE: Final = "overdue"
REFUSED: Final = "refused"
RESPONSE_PHASES: Final = (*ActionKind, OVERDUE, REFUSED)
"""The phases of people and deadlines, beside those of `alerts.Phase`."""


class ActionRefusal(StrEnum):
    """Why an action has no effect."""

    UNKNOWN_ALERT = "unknown_alert"
    NOT_LAST_ALERT = "not_last_alert"
    TOO_LONG = "too_long"
    NOT_SNOOZED = "not_snoozed"
    NOT_PAUSED = "not_paused"

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return _REFUSALS[self]


_REFUSALS: Final = {
    ActionRefusal.UNKNOWN_ALERT: "The patient has had no alert of this id.",
    ActionRefusal.NOT_LAST_ALERT: "A later alert of the patient has started since.",
    ActionRefusal.TOO_LONG: "The snooze or the pause is longer than allowed.",
    ActionRefusal.NOT_SNOOZED: "The alert is not snoozed, so there is nothing to resume.",
    ActionRefusal.NOT_PAUSED: "The patient is not paused.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One phase of an alert that people or a deadline caused.

    Attributes:
        event: the event of the batch behind it.
        after: the number of the batch's assessments before it.
        patient: whose alert it is.
        phase: one of ``RESPONSE_PHASES``.
        alert_id: the alert; ``None`` where the patient has had none.
        time_ms: of the action; of the record, where a deadline came.
        severity: of the alert while it is on, then the greatest that it had; 0 for none.
        risk: the last one, NaN where there was none.
        standing: how the alert stands then; ``None``: it is not the last one.
        action: what a person did; ``None`` where a deadline came.
        refusal: why it has no effect; ``None`` where it has.
    """

    event: int
    after: int
    patient: str
    phase: str
    alert_id: str | None
    time_ms: int
    severity: int
    risk: float
    standing: Standing | None
    action: Action | None = None
    refusal: ActionRefusal | None = None


def alert_id(patient: str, start_ms: int, number: int) -> str:
    """The id of an alert: it follows from the input alone."""
    return f"{patient}/{rfc3339(start_ms)}/{number}"


class AlertId(NamedTuple):
    """The parts of an alert's id: the patient, the start as RFC 3339, and which alert it is."""

    patient: str
    start: str
    number: int


def read_alert_id(text: str) -> AlertId | None:
    """Reads the id of an alert; ``None`` for what is none. A patient's id may have slashes.

    >>> read_alert_id("a/b/2026-11-21T10:00:00Z/2")
    AlertId(patient='a/b', start='2026-11-21T10:00:00Z', number=2)
    """
    patient, *rest = text.rsplit("/", 2)
    if len(rest) < 2 or not rest[0] or not rest[1].isdecimal():
        return None
    return AlertId(patient, rest[0], int(rest[1]))


def last_alert_id(table: StayTable, slot: int) -> str | None:
    """The id of the last alert of a patient, ``None`` where there was none."""
    number = int(table["alert_number"][slot])
    if not number:
        return None
    return alert_id(str(table.patients[slot]), int(table["alert_start_ms"][slot]), number)


def take(
    table: StayTable, policy: ResponsePolicy, slot: int, action: Action, clock_ms: int
) -> ActionRefusal | None:
    """Takes an action into a stay; deadlines before it have been judged.

    Args:
        table: the stays; the response of the slot changes.
        policy: the times.
        slot: of the patient.
        action: what a person does.
        clock_ms: timestamp of its record.

    Returns:
        Why it has no effect, ``None`` where it has.
    """
    seen = table["action_ids"][slot]
    table["action_ids"][slot] = np.append(seen[1:], np.uint64(action.id_hash))
    table.touched[slot] = True
    if action.kind in OF_PATIENT:
        return _pause(table, policy, slot, action, clock_ms)
    refusal = _wrong_alert(table, slot, action)
    if refusal is not None:
        return refusal
    match action.kind:
        case ActionKind.ACKNOWLEDGE:
            responses.acknowledge(table, policy, slot, action.revision, clock_ms)
        case ActionKind.UNACKNOWLEDGE:
            responses.reopen(table, policy, slot, clock_ms)
        case ActionKind.SNOOZE:
            span_ms = (clock_ms, clock_ms + action.minutes * MINUTE_MS)
            if not responses.snooze(table, policy, slot, action.revision, span_ms):
                return ActionRefusal.TOO_LONG
        case ActionKind.RESUME:
            if not is_snoozed(table, slot):
                return ActionRefusal.NOT_SNOOZED
            responses.reopen(table, policy, slot, clock_ms)
    return None


def is_repeated(table: StayTable, slot: int, action: Action) -> bool:
    """Whether an action is one of the last ones of its patient."""
    return bool((table["action_ids"][slot] == np.uint64(action.id_hash)).any())


def _pause(
    table: StayTable, policy: ResponsePolicy, slot: int, action: Action, clock_ms: int
) -> ActionRefusal | None:
    if action.kind is ActionKind.PAUSE:
        span_ms = (clock_ms, clock_ms + action.minutes * MINUTE_MS)
        if not responses.pause(table, policy, slot, action.reason, span_ms):
            return ActionRefusal.TOO_LONG
        table.notes[slot] = replace(table.notes[slot], pause_by=orjson.dumps(action.actor))
        return None
    if not is_paused(table, slot):
        return ActionRefusal.NOT_PAUSED
    responses.end_pause(table, policy, slot, clock_ms)
    return None


def _wrong_alert(table: StayTable, slot: int, action: Action) -> ActionRefusal | None:
    """Why an action is on no alert that it can change.

    An earlier alert can still be judged, since whoever judges it looks back.
    """
    if action.alert_id == last_alert_id(table, slot):
        return None
    named = read_alert_id(action.alert_id or "")
    is_earlier = (
        named is not None
        and named.patient == table.patients[slot]
        and 0 < named.number < table["alert_number"][slot]
    )
    if not is_earlier:
        return ActionRefusal.UNKNOWN_ALERT
    return None if action.kind is ActionKind.FEEDBACK else ActionRefusal.NOT_LAST_ALERT
