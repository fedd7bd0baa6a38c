"""The routes that show the ward: the page, its assets, snapshot, stream, alerts."""

from __future__ import annotations

import hashlib
from typing import Final

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamer.board.alert_fold import AlertFold
from streamer.board.board import Audience
from streamer.board.cards import ward_alert, ward_of
from streamer.board.context import Context, context_of
from streamer.board.hub import Stream
from streamer.board.refusals import Refused
from streamer.board.requests import read_number
from streamer.board.ward_fold import Bedside
from streamer.core.time import HOUR_MS

_MOST_HOURS: Final = 48  # of alerts in memory
_FOREVER: Final = "public, max-age=31536000, immutable"


async def page(request: Request) -> Response:
    """The one page; which screen it shows is its own affair."""
    assets = context_of(request).assets
    tag = f'"{hashlib.sha256(assets.page).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(assets.page, media_type="text/html; charset=utf-8", headers=headers)


async def asset(request: Request) -> Response:
    """An asset under the hash of its build."""
    file = context_of(request).assets.find(
        request.path_params["version"], request.path_params["name"]
    )
    if file is None:
        raise Refused(404, "asset", "There is no such asset; reload the page.")
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.content, media_type=file.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(file.packed, media_type=file.media_type, headers=headers)


async def snapshot(request: Request) -> Response:
    """All cards of an audience."""
    context = context_of(request)
    audience = context.audience(context.person(request), _ward(request))
    return Response(context.board.snapshot(audience), media_type="application/json")


async def stream(request: Request) -> Response:
    """Snapshot and changes as server-sent events."""
    context = context_of(request)
    audience = context.audience(context.person(request), _ward(request))
    if context.hub.is_full:
        raise Refused(503, "streams", "The board takes no further streams now.")
    opened = Stream(audience, lambda: _is_still(context, request, audience))
    return EventSourceResponse(context.hub.messages(opened), sep="\n", ping=15)


def _is_still(context: Context, request: Request, audience: Audience) -> bool:
    """Whether the session of a stream is good, and sees what it saw."""
    try:
        return context.audience(context.person(request), audience.ward) == audience
    except Refused:
        return False


async def alerts(request: Request) -> Response:
    """The alerts of the last hours, the newest first."""
    context = context_of(request)
    audience = context.audience(context.person(request), _ward(request))
    hours = read_number(request, "hours", 48, 1, _MOST_HOURS)
    now_ms = context.board.now_ms
    since_ms = now_ms - hours * HOUR_MS
    chosen: list[tuple[Bedside, AlertFold]] = [
        (bedside, alert)
        for bedside in context.board.fold.patients.values()
        if audience.sees(ward_of(bedside))
        for alert in bedside.alerts.values()
        if (alert.ended_ms or now_ms) >= since_ms
    ]
    chosen.sort(key=lambda both: -both[1].started_ms)
    return JSONResponse({"alerts": [ward_alert(b, a, now_ms) for b, a in chosen]})


def _ward(request: Request) -> str | None:
    return request.query_params.get("ward") or None
