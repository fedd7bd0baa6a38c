"""One patient in full: card, measurements, and what was done about each alert."""

from __future__ import annotations

from typing import cast

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board.alert_fold import AlertFold
from streamer.board.api import AlertEntry, By, PatientAlert, PatientDetail
from streamer.board.cards import series
from streamer.board.context import context_of
from streamer.board.messages import Actor, AlertMessage
from streamer.board.patient_history import Measurements, read_measurements
from streamer.board.refusals import Refused
from streamer.core.codec import CorruptState
from streamer.core.time import rfc3339, rfc3339_or_none
from streamer.ports.states import StateStore, StoreUnavailable

_HISTORY_HOURS = 48


async def patient(request: Request) -> Response:
    """Answers with a patient; without the state store it says so, and the rest stands."""
    context = context_of(request)
    audience = context.audience(context.person(request))
    shown = context.board.card_of(request.path_params["patient"], audience)
    if shown is None:
        raise Refused(404, "patient", "No such patient is on the board.")
    card = shown.card
    name, partition = card["patient"], card["partition"]
    measured = await anyio.to_thread.run_sync(_measure, context.states, name, partition)
    context.board.has_history = measured is not None
    bedside = context.board.fold.patients.get(name)
    if bedside is None:
        raise Refused(404, "patient", "No such patient is on the board.")
    values, vitals = measured or Measurements([], {})
    detail: PatientDetail = {
        **card,
        "values": values,
        "history": [
            {"time": rfc3339(time_ms), "risk": risk}
            for time_ms, risk in series(bedside, _HISTORY_HOURS)
        ],
        "vitals": vitals,
        "alerts": [
            _alert(alert) for alert in sorted(bedside.alerts.values(), key=lambda a: -a.started_ms)
        ],
        "history_available": measured is not None,
    }
    return JSONResponse(detail)


def actor(by: Actor | None) -> By | None:
    """The person behind an action, as the API has it."""
    return None if by is None else cast("By", msgspec.structs.asdict(by))


def _measure(states: StateStore, patient: str, partition: int) -> Measurements | None:
    """Reads the stored stay; ``None`` where the store does not answer or the stay is unreadable."""
    try:
        stay = states.find(patient, [partition])
        return Measurements([], {}) if stay is None else read_measurements(patient, *stay)
    except (StoreUnavailable, CorruptState):
        return None


def _alert(alert: AlertFold) -> PatientAlert:
    return {
        "alert_id": alert.alert_id,
        "started": rfc3339(alert.started_ms),
        "ended": rfc3339_or_none(alert.ended_ms),
        "severity": alert.severity,
        "messages": [_entry(message) for message in alert.messages],
    }


def _entry(message: AlertMessage) -> AlertEntry:
    return {
        "time": message.time,
        "phase": message.phase,
        "severity": message.severity,
        "by": actor(message.by),
        "note": message.note,
        "refusal": message.refusal,
        "revision": message.revision or 0,
    }
