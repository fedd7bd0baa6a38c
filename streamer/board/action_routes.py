"""People's actions: a record on the input topic, and 202 once the log has it."""

from __future__ import annotations

import anyio.to_thread
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board.actions import ActionRequest, headers, read_request, write_record
from streamer.board.context import Context, context_of
from streamer.board.origin import refuse_foreign
from streamer.board.people import Person, Role
from streamer.board.refusals import Refused
from streamer.board.requests import read_body
from streamer.board.session_routes import check_secret
from streamer.core.actions import MAX_ACTION_BYTES
from streamer.ports.log import LogUnavailable

_log = structlog.get_logger()


async def act(request: Request) -> Response:
    """Writes an action; the streamer decides what becomes of it."""
    refuse_foreign(request)
    context = context_of(request)
    person = context.person(request)
    asked = read_request(await read_body(request, MAX_ACTION_BYTES))
    key = request.headers.get("idempotency-key")
    if key is not None and key.lower() != asked.action_id.lower():
        raise Refused(400, "idempotency_key", "Idempotency-Key and action_id differ.")
    if person.is_kiosk:
        person = await _at_kiosk(context, person, asked)
    if person.role < Role.NURSE:
        raise Refused(403, "role", f"This needs the role {Role.NURSE.word}.")
    board = context.board
    partition = _partition(context, person, asked)
    client = f"board/{board.version}"
    station = request.client.host if request.client else ""
    value = write_record(asked, person, board.now_ms, client, station)
    timestamp_ms = board.now_ms if board.config.clock == "log" else None
    try:
        offset = await anyio.to_thread.run_sync(
            context.actions.append,
            partition,
            asked.patient_id.encode(),
            value,
            headers(context.action_key().encode(), value),
            timestamp_ms,
        )
    except LogUnavailable as error:
        _log.warning("an action was not written", error=str(error))
        raise Refused(
            503, "kafka_away", "Kafka does not confirm it: try again, it counts once."
        ) from None
    if not _is_answered(context, asked):
        board.posted.add(asked, person, board.now_ms)
    answer = {"action_id": asked.action_id.lower(), "partition": partition, "offset": offset}
    return JSONResponse(answer, 202)


def _is_answered(context: Context, asked: ActionRequest) -> bool:
    """Whether its phase has come: sooner than the log's answer, or to the same action before."""
    bedside = context.board.fold.patients.get(asked.patient_id)
    answers = () if bedside is None else bedside.answers
    return asked.action_id.lower() in {action_id for action_id, _, _ in answers}


def _partition(context: Context, person: Person, asked: ActionRequest) -> int:
    """The partition of the patient's events; what a person may not see does not exist."""
    shown = context.board.card_of(asked.patient_id, context.audience(person))
    holder = context.board.fold.find_alert(asked.alert_id) if asked.alert_id else None
    if holder is not None and holder[0].patient != asked.patient_id:
        holder = None
    if shown is None or (holder is None and asked.needs_alert):
        raise Refused(404, "alert", "No such alert is on the board.")
    return shown.card["partition"] if holder is None else holder[1].partition


async def _at_kiosk(context: Context, kiosk: Person, asked: ActionRequest) -> Person:
    """Who acts at a screen that everybody uses: user and PIN."""
    login = context.login
    assert login is not None  # a kiosk has a session
    name, now_s = asked.user or "", context.now_s()
    if not login.pins.is_open(name, now_s):
        raise Refused(429, "pin_locked", "Too many wrong PINs: try again in five minutes.")
    user = login.users.find(name)
    # Counted before it is checked: tries at the same time are tries.
    login.pins.failed(name, now_s)
    is_right = await check_secret(None if user is None else user.pin, asked.pin or "")
    if user is None or not is_right:
        raise Refused(401, "wrong_pin", "User or PIN is wrong.")
    login.pins.succeeded(name)
    own = None if user.wards is None else frozenset(user.wards)
    wards = kiosk.wards if own is None else own if kiosk.wards is None else own & kiosk.wards
    return Person(name, user.name or name, user.rank, "pin", wards)
