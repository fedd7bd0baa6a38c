"""Audit and burden: what people did, and what the alerts ask of them, from the topic itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board import audit, burden
from streamer.board.api import AuditRow
from streamer.board.board import Audience
from streamer.board.burden import Span
from streamer.board.cards import is_on_ward, ward_of
from streamer.board.context import Context, context_of
from streamer.board.messages import AlertMessage, epoch_ms, read
from streamer.board.people import Role
from streamer.board.refusals import Refused
from streamer.board.requests import read_number
from streamer.core.time import DAY_MS
from streamer.ports.log import LogUnavailable
from streamer.service.model_facts import ModelFacts

# Each reads days of a topic. People's actions are written from the same threads: they never wait.
_READERS: Final = anyio.CapacityLimiter(2)
_AUDIT_DAYS: Final = 7  # where no `since` is asked for
_MOST_DAYS: Final = 90


async def show_audit(request: Request) -> Response:
    """The audit as JSON."""
    return JSONResponse({"rows": await _rows(request)})


async def download_audit(request: Request) -> Response:
    """The audit as CSV."""
    text = audit.to_csv(await _rows(request))
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


async def show_burden(request: Request) -> Response:
    """The burden of the last days."""
    context = context_of(request)
    audience = context.audience(context.person(request), request.query_params.get("ward"))
    days = read_number(request, "days", 7, 1, _MOST_DAYS)
    counted = context.burdens.known(days, audience, context.now_s())
    if counted is None:
        now_ms, spans = context.board.now_ms, list(_spans(context, audience))
        shown_id = context.board.fold.model
        messages, facts = await anyio.to_thread.run_sync(
            _ask, context, now_ms - days * DAY_MS, audience, shown_id, limiter=_READERS
        )
        counted = burden.count(messages, spans, days, now_ms, facts)
        context.burdens.keep(days, audience, context.now_s(), counted)
    return JSONResponse(counted)


async def _rows(request: Request) -> list[AuditRow]:
    context = context_of(request)
    audience = context.audience(context.person(request, Role.ADMIN))
    since = request.query_params.get("since")
    since_ms = context.board.now_ms - _AUDIT_DAYS * DAY_MS if since is None else epoch_ms(since)
    if since_ms is None:
        raise Refused(400, "since", "since is an RFC 3339 time.")
    messages = await anyio.to_thread.run_sync(
        _messages, context, since_ms, audience, limiter=_READERS
    )
    answered = [row for row in map(audit.row, messages) if row is not None]
    known = {row["action_id"] for row in answered}
    waiting = [
        row
        for row in context.board.posted.rows()
        if row["action_id"] not in known
        and context.board.card_of(row["patient"], audience) is not None
    ]
    chosen = [row for row in [*answered, *waiting] if (epoch_ms(row["time"]) or 0) >= since_ms]
    asked = request.query_params
    return audit.select(chosen, asked.get("patient"), asked.get("user"))


def _ask(
    context: Context, since_ms: int, audience: Audience, shown_id: str | None
) -> tuple[list[AlertMessage], ModelFacts]:
    facts = context.models.read(shown_id) if shown_id else ModelFacts()
    return _messages(context, since_ms, audience), facts


def _messages(context: Context, since_ms: int, audience: Audience) -> list[AlertMessage]:
    """Reads the alerts since a time, of wards that the audience sees; in a thread of its own.

    Raises:
        Refused: Kafka does not answer.
    """
    # Records have the time at which they were written, which in a replay is another.
    written_ms = 0 if context.board.config.clock == "log" else since_ms
    try:
        with contextlib.closing(context.open_log()) as log:
            records = (record for batch in log.alerts_since(written_ms) for record in batch)
            messages = (read(AlertMessage, record.value or b"") for record in records)
            return [m for m in messages if m is not None and audience.sees(m.ward)]
    except LogUnavailable:
        raise Refused(503, "kafka_away", "Kafka does not answer.") from None


def _spans(context: Context, audience: Audience) -> Iterator[Span]:
    """When each patient was on the ward, as far as it is known."""
    now_ms = context.board.now_ms
    for bedside in context.board.fold.patients.values():
        if not audience.sees(ward_of(bedside)):
            continue
        stay = bedside.stay
        known_ms = [time_ms for time_ms, _ in bedside.hours.values()]
        began_ms = epoch_ms(stay.admitted) if stay else None
        if began_ms is None:
            began_ms = min(known_ms, default=now_ms)
        if is_on_ward(bedside, now_ms):
            ended_ms = now_ms
        else:
            discharged_ms = epoch_ms(stay.discharged) if stay else None
            ended_ms = discharged_ms or max(known_ms, default=now_ms)
        yield Span(began_ms, min(ended_ms, now_ms))
