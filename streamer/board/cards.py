"""The card of one patient: what is known, at a time of the board's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from streamer.board.alert_fold import AlertFold
from streamer.board.api import (
    Card,
    CardAlert,
    CardPause,
    CardRisk,
    CardState,
    CardTreated,
    Reason,
    WardAlert,
)
from streamer.board.messages import MessageReason, Pause, RiskMessage, Treated, epoch_ms
from streamer.board.ward_fold import SILENT_MS, Bedside
from streamer.core.responses import UNSEEN_MS
from streamer.core.time import HOUR_MS, rfc3339, rfc3339_or_none

SERIES_HOURS: Final = 24
# Against two hours before, or a little more where nothing came then: shorter steps are the noise
# of single measurements.
_TREND_HOURS: Final = 2
_TREND_REACH: Final = 6
_TREND_RATIO: Final = 1.25
_TREND_LEAST: Final = 0.005
# Of the ten variables that a clinician wants before trusting a risk, five are vital signs.
_MISSING_TOO_MUCH: Final = 7
_HOURS_TOO_FEW: Final = 2


def is_on_ward(bedside: Bedside, now_ms: int) -> bool:
    """Whether a patient has a card: there is a stay, and it has not ended or gone silent."""
    seen_ms = bedside.risk_ms
    discharged_ms = None if bedside.stay is None else epoch_ms(bedside.stay.discharged)
    alert = bedside.alert
    if bedside.stay is None:
        if alert is not None and alert.left:
            discharged_ms = alert.ended_ms
        newest_ms = max(seen_ms or 0, alert.changed_ms if alert else 0)
        if newest_ms < now_ms - SILENT_MS:
            return False
    # Data from after a discharge go on with the stay.
    returned = discharged_ms is not None and seen_ms is not None and seen_ms > discharged_ms
    return discharged_ms is None or discharged_ms > now_ms or returned


def ward_of(bedside: Bedside) -> str | None:
    """The ward where a patient is."""
    return None if bedside.stay is None else bedside.stay.ward


def state_of(bedside: Bedside, alert: AlertFold | None, now_ms: int) -> CardState:
    """The state of the response to an alert, with the times that have passed since."""
    state = "none" if alert is None else _response(alert, now_ms)
    if state in {"none", "closed"} and _pause(bedside, now_ms) is not None:
        return "paused"
    return state


def _response(alert: AlertFold, now_ms: int) -> CardState:
    state = alert.state
    if state is None:
        if alert.acknowledged >= alert.revision:
            state = "acknowledged" if alert.ended_ms is None else "closed"
        else:
            state = "open" if alert.ended_ms is None else "ended_unseen"
    if state == "snoozed" and alert.snoozed_until_ms is not None:
        state = "snoozed" if now_ms < alert.snoozed_until_ms else "open"
    if state == "ended_unseen" and (
        alert.left or (alert.ended_ms is not None and now_ms - alert.ended_ms >= UNSEEN_MS)
    ):
        state = "closed"
    match state:
        case "open" | "acknowledged" | "snoozed" | "paused" | "ended_unseen" | "closed":
            return state
        case _:  # a word of a later version: better an alert too many than none
            return "open"


def card(bedside: Bedside, now_ms: int, thresholds: Mapping[str, float]) -> Card:
    """Returns the card of a patient.

    Args:
        bedside: the patient.
        now_ms: the board's time, epoch milliseconds.
        thresholds: the threshold of alerts, by model.
    """
    stay, risk, alert = bedside.stay, bedside.risk, bedside.alert
    return {
        "patient": bedside.patient,
        "label": stay.label if stay else None,
        "ward": stay.ward if stay else None,
        "bed": stay.bed if stay else None,
        "age": stay.age if stay else None,
        "sex": stay.sex if stay else None,
        "admitted": stay.admitted if stay else None,
        "discharged": stay.discharged if stay else None,
        "partition": bedside.partition,
        "state": state_of(bedside, alert, now_ms),
        "alert": None if alert is None else _alert(alert, now_ms),
        "paused": _pause(bedside, now_ms),
        "treated": _treated(bedside),
        "risk": None if risk is None else _risk(bedside, risk, thresholds),
        "series": series(bedside, SERIES_HOURS),
        "news2": risk.news2 if risk else None,
        "qsofa": risk.qsofa if risk else None,
        "last": risk.last if risk else {},
        "last_contact": rfc3339_or_none(bedside.risk_ms),
        "model": risk.model if risk else None,
        "answers": [
            {"action_id": action_id, "phase": phase, "refusal": refusal}
            for action_id, phase, refusal in bedside.answers
        ],
    }


def ward_alert(bedside: Bedside, alert: AlertFold, now_ms: int) -> WardAlert:
    """Returns one alert as the list of alerts shows it."""
    stay = bedside.stay
    return {
        "patient": bedside.patient,
        "label": stay.label if stay else None,
        "ward": stay.ward if stay else None,
        "bed": stay.bed if stay else None,
        "alert_id": alert.alert_id,
        "severity": alert.severity,
        "started": rfc3339(alert.started_ms),
        "ended": rfc3339_or_none(alert.ended_ms),
        "state": _response(alert, now_ms),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_time": rfc3339_or_none(alert.acknowledged_ms),
        "risk": alert.risk,
        "reasons": [_reason(reason) for reason in alert.reasons],
    }


def series(bedside: Bedside, hours: int) -> list[tuple[int, float]]:
    """The first risk of each hour before the newest one, oldest first: (epoch ms, risk)."""
    newest = bedside.risk_ms
    if newest is None:
        return []
    first = newest // HOUR_MS - hours
    return [bedside.hours[hour] for hour in sorted(bedside.hours) if hour >= first]


def is_overdue(alert: AlertFold, state: CardState, now_ms: int) -> bool:
    """Whether an unanswered alert has waited longer than it may."""
    late = alert.respond_by_ms is not None and now_ms >= alert.respond_by_ms
    return state == "open" and (late or alert.overdue_revision >= alert.revision > 0)


def _alert(alert: AlertFold, now_ms: int) -> CardAlert:
    return {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "acknowledged": alert.acknowledged,
        "severity": alert.severity,
        "on": alert.ended_ms is None,
        "started": rfc3339(alert.started_ms),
        "changed": rfc3339(alert.changed_ms),
        "ended": rfc3339_or_none(alert.ended_ms),
        "risk": alert.risk,
        "threshold": alert.threshold,
        "respond_by": rfc3339_or_none(alert.respond_by_ms),
        "snoozed_until": rfc3339_or_none(alert.snoozed_until_ms),
        "overdue": is_overdue(alert, _response(alert, now_ms), now_ms),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_time": rfc3339_or_none(alert.acknowledged_ms),
        "reasons": [_reason(reason) for reason in alert.reasons],
        "phase": alert.phase,
    }


def _risk(bedside: Bedside, risk: RiskMessage, thresholds: Mapping[str, float]) -> CardRisk:
    known = bedside.alert.threshold if bedside.alert else None
    hours, missing = risk.data.hours_of_data, len(risk.data.values_missing)
    return {
        "value": risk.risk,
        "time": risk.time,
        "bin": risk.bin,
        "threshold": thresholds.get(risk.model or "", known),
        "positive": risk.positive,
        "trend": _trend(bedside, risk.risk),
        "hours_of_data": hours,
        "indeterminate": hours < _HOURS_TOO_FEW or missing >= _MISSING_TOO_MUCH,
    }


def _trend(bedside: Bedside, risk: float) -> Literal["up", "down", "flat"]:
    hour = (bedside.risk_ms or 0) // HOUR_MS
    known = [h for h in bedside.hours if hour - _TREND_REACH <= h <= hour - _TREND_HOURS]
    before = bedside.hours[max(known)] if known else None
    if before is None or abs(risk - before[1]) < _TREND_LEAST:
        return "flat"
    if risk > before[1] * _TREND_RATIO:
        return "up"
    return "down" if risk * _TREND_RATIO < before[1] else "flat"


def _pause(bedside: Bedside, now_ms: int) -> CardPause | None:
    pause = None if bedside.stay is None else bedside.stay.pause
    if pause is None:
        return None
    until_ms = epoch_ms(pause.until)
    if until_ms is not None and until_ms <= now_ms:
        return None
    return {"reason": pause.reason, "until": pause.until, "by": _who(pause)}


def _who(pause: Pause) -> str | None:
    return pause.by if isinstance(pause.by, str) or pause.by is None else pause.by.user


def _treated(bedside: Bedside) -> CardTreated | None:
    if bedside.stay is not None:
        since = bedside.stay.antibiotic_since
        return None if since is None else {"since": since}
    last = bedside.alert.treated if bedside.alert else None
    if isinstance(last, Treated):
        return {"since": last.since}
    return {"since": None} if last else None


def _reason(reason: MessageReason) -> Reason:
    return msgspec.structs.asdict(reason)  # type: ignore[return-value]  # the same fields
