"""The web application: routes, headers, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamer.board import action_routes, patient_routes, report_routes, session_routes, ward_routes
from streamer.board.context import Context
from streamer.board.origin import SecureHeaders
from streamer.board.refusals import Refused, answer_http_error, answer_refusal

Handler = Callable[[Request], Awaitable[Response]]
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def _of_person(handler: Handler) -> Handler:
    """A request that a person makes, unlike a stream or a reload: it keeps the session."""

    async def handle(request: Request) -> Response:
        answer = await handler(request)
        session_routes.keep_session(request, answer)
        return answer

    return handle


def make_app(
    context: Context, *, is_tls: bool = False, lifespan: Lifespan | None = None
) -> Starlette:
    """Returns the application.

    Args:
        context: its parts.
        is_tls: whether it is served over TLS.
        lifespan: runs around it; by default nothing is published to streams.
    """
    app = Starlette(
        routes=[
            Route("/", ward_routes.page),
            Route("/static/{version}/{name:path}", ward_routes.asset),
            Route("/api/session", session_routes.show_session),
            Route("/api/session", session_routes.begin_session, methods=["POST"]),
            Route("/api/session", session_routes.end_session, methods=["DELETE"]),
            Route("/api/board", ward_routes.snapshot),
            Route("/api/stream", ward_routes.stream),
            Route("/api/patients/{patient:path}", _of_person(patient_routes.patient)),
            Route("/api/alerts/actions", _of_person(action_routes.act), methods=["POST"]),
            Route("/api/audit", _of_person(report_routes.show_audit)),
            Route("/api/audit.csv", _of_person(report_routes.download_audit)),
            Route("/api/burden", _of_person(report_routes.show_burden)),
            Route("/api/alerts", _of_person(ward_routes.alerts)),
        ],
        middleware=[Middleware(SecureHeaders, is_tls=is_tls)],
        exception_handlers={Refused: answer_refusal, HTTPException: answer_http_error},
        lifespan=lifespan or _nothing,
    )
    app.state.context = context
    return app


@asynccontextmanager
async def _nothing(_app: Starlette) -> AsyncIterator[None]:
    yield
