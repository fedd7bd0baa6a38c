"""Refusal of writes that another site made the browser send (CSRF); headers of each answer."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.board.refusals import Refused

_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        # Sparklines and uPlot set sizes by the style object, which needs no permission.
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def refuse_foreign(request: Request) -> None:
    """Refuses a write that a page of another origin may have caused.

    A form can send neither JSON nor a header of its own, and a script of another origin has to ask
    first; the browser says where the request comes from.

    Raises:
        Refused: it may.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "DELETE" and kind != "application/json":
        raise Refused(403, "content_type", "Writes are JSON.")
    if request.headers.get("x-vigil") != "1":
        raise Refused(403, "header", "Writes have the header X-Vigil: 1.")
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # A browser that knows the first header always sends it; an Origin that is there must agree.
    host = request.headers.get("host", "")
    same_host = origin is not None and urlsplit(origin).netloc.lower() == host.lower()
    if (site is not None and site != "same-origin") or (origin is not None and not same_host):
        raise Refused(403, "origin", "The request comes from another site.")
    if site is None and origin is None:
        raise Refused(403, "origin", "The request does not say where it comes from.")


class SecureHeaders:
    """Adds the headers to each answer; nothing of `/api` is kept by a cache."""

    def __init__(self, app: ASGIApp, *, is_tls: bool) -> None:
        self._app, self._is_tls = app, is_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if scope["path"].startswith("/api"):
                    headers["Cache-Control"] = "no-store"
                if self._is_tls:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers)
