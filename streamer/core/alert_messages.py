"""Alert messages and stay messages: what is said of an alert, of people's answers, of a stay."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, TypedDict

import orjson

from streamer.core.actions import Action, ActionKind, Actor
from streamer.core.alerts import SEVERITIES, Phase
from streamer.core.answers import REFUSED, Answer, alert_id
from streamer.core.assessment import Assessments, Cause
from streamer.core.model import Model
from streamer.core.standings import Standing
from streamer.core.stay_notices import StayNotice, StaySummary
from streamer.core.time import MINUTE_MS, rfc3339, rfc3339_or_none
from streamer.core.variables import VariableTable

Content: TypeAlias = dict[str, Any]
"""The content of a message, ready for JSON."""

HORIZON_HOURS: Final = 6
_CONTRIBUTION_DIGITS: Final = 3


class AlertReason(TypedDict):
    """One reason of an alert, as its message has it."""

    variable: str
    value: float
    unit: str
    age_minutes: int
    direction: Literal["high", "low", "rising", "falling", "normal", "timing"]
    contribution: float


class StandingContent(TypedDict):
    """How people stand to an alert, as its messages have it."""

    revision: int
    acknowledged: int
    state: str
    respond_by: str | None
    snoozed_until: str | None
    paused: bool
    treated: dict[str, str] | None
    ward: str | None
    bed: str | None


class PauseContent(TypedDict):
    """The pause of a patient, as a stay message has it."""

    reason: str
    until: str
    by: Actor | None


class VerdictContent(TypedDict):
    """A person's judgement of an alert, as the topic of outcomes has it; it is no label."""

    type: Literal["verdict"]
    patient_id: str
    time: str
    alert_id: str | None
    verdict: str
    reason: str | None
    by: Actor


def alert_content(wave: Assessments, row: int, position: tuple[int, int], model: Model) -> Content:
    """The message of an alert that vitals started, raised or ended.

    Args:
        wave: the assessments.
        row: which of them.
        position: partition and offset of the record behind it.
        model: the one that spoke.
    """
    patient, news2, phase = wave.patients[row], int(wave.news2[row]), Phase(wave.phase[row])
    content: Content = {
        "alert_id": alert_id(patient, int(wave.alert_start_ms[row]), int(wave.alert_number[row])),
        "patient_id": patient,
        "time": rfc3339(int(wave.time_ms[row])),
        "phase": phase.name.lower(),
        "severity": SEVERITIES[wave.severity[row]],
        "risk": float(wave.risks[row, 0]),
        "threshold": model.policy.medium,
        "horizon_hours": HORIZON_HOURS,
        "reasons": [reason_content(cause, model.variables) for cause in wave.causes.get(row, [])],
        "news2": news2 if news2 >= 0 else None,
        "model": model.shown_id,
        "partition": position[0],
        "offset": position[1],
    }
    if phase is Phase.END:
        content["reason"] = str(wave.end_reason)
    return content | _standing(wave.standings[row])


def answer_content(answer: Answer, position: tuple[int, int], model: Model) -> Content:
    """The message of an alert to which a person or a deadline did something."""
    content: Content = {
        "alert_id": answer.alert_id,
        "patient_id": answer.patient,
        "time": rfc3339(answer.time_ms),
        "phase": answer.phase,
        "severity": SEVERITIES[answer.severity if answer.standing else 0],
        "risk": answer.risk if answer.standing and answer.risk == answer.risk else None,
        "threshold": model.policy.medium,
        "horizon_hours": HORIZON_HOURS,
        "reasons": [],
        "news2": None,
        "model": model.shown_id,
        "partition": position[0],
        "offset": position[1],
    }
    if answer.standing is not None:
        content |= _standing(answer.standing)
    if answer.action is not None:
        content |= _cause(answer.action)
    if answer.phase == REFUSED:
        content["action"] = str(answer.action.kind) if answer.action else None
        content["refusal"] = str(answer.refusal)
        content["current_revision"] = answer.standing.revision if answer.standing else None
    return content


def verdict_content(answer: Answer, action: Action) -> Content:
    """The record of a verdict on an alert."""
    content: VerdictContent = {
        "type": "verdict",
        "patient_id": answer.patient,
        "time": rfc3339(answer.time_ms),
        "alert_id": action.alert_id,
        "verdict": action.verdict,
        "reason": action.reason or None,
        "by": action.actor,
    }
    return {**content}


def stay_content(
    notice: StayNotice,
    summary: StaySummary,
    alert: bytes,
    position: tuple[int, int],
    model: Model,
) -> Content:
    """The message of a stay.

    Args:
        notice: that it has changed.
        summary: what people see of it.
        alert: JSON of the last message of its alert; empty for none.
        position: partition and offset of that event's record.
        model: the one that steps it.
    """
    pause: PauseContent | None = None
    if summary.pause_reason is not None and summary.pause_until_ms is not None:
        pause = {
            "reason": summary.pause_reason,
            "until": rfc3339(summary.pause_until_ms),
            "by": orjson.loads(summary.pause_by) if summary.pause_by else None,
        }
    return {
        "patient_id": notice.patient,
        "label": summary.label,
        "ward": summary.ward,
        "bed": summary.bed,
        "age": summary.age,
        "sex": summary.sex,
        "admitted": rfc3339_or_none(summary.admitted_ms),
        "discharged": rfc3339_or_none(summary.discharged_ms),
        "pause": pause,
        "alert": orjson.Fragment(alert) if alert else None,
        "antibiotic_since": rfc3339_or_none(summary.antibiotic_since_ms),
        "time": rfc3339(notice.time_ms),
        "model": model.shown_id,
        "partition": position[0],
        "offset": position[1],
    }


def _standing(standing: Standing) -> StandingContent:
    since_ms = standing.treated_since_ms
    return {
        "revision": standing.revision,
        "acknowledged": standing.acknowledged,
        "state": str(standing.state),
        "respond_by": rfc3339_or_none(standing.respond_by_ms),
        "snoozed_until": rfc3339_or_none(standing.snoozed_until_ms),
        "paused": standing.is_paused,
        "treated": None if since_ms is None else {"since": rfc3339(since_ms)},
        "ward": standing.ward or None,
        "bed": standing.bed or None,
    }


class CauseContent(TypedDict, total=False):
    """What a person did, as the message of an alert has it."""

    by: Actor
    action_id: str
    minutes: int
    reason: str
    note: str
    verdict: str


def _cause(action: Action) -> CauseContent:
    content: CauseContent = {"by": action.actor, "action_id": action.action_id}
    if action.minutes:
        content["minutes"] = action.minutes
    if action.reason:
        content["reason"] = action.reason
    if action.note:
        content["note"] = action.note
    if action.kind is ActionKind.FEEDBACK:
        content["verdict"] = action.verdict
    return content


def reason_content(cause: Cause, variables: VariableTable) -> AlertReason:
    """One reason of an alert, as its message has it; ``variables`` are those of the model."""
    variable = variables.all[cause.variable]
    return {
        "variable": variable.name,
        "value": float(f"{cause.value:.6g}"),  # float32 has no more digits than these
        "unit": variable.ucum,
        "age_minutes": cause.age_ms // MINUTE_MS,
        "direction": cause.direction.value,
        "contribution": round(cause.contribution, _CONTRIBUTION_DIGITS),
    }
