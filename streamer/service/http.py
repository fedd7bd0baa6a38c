"""HTTP port of a process: of the service `/metrics`, `/healthz`, `/readyz`, `/lost`, `/sources`."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from streamer.service.health import Health
from streamer.service.losses import LOSSES
from streamer.service.metrics import REGISTRY
from streamer.service.source_clocks import CLOCKS

_log = structlog.get_logger()
_CLIENT_TIMEOUT_S: Final = 5.0  # a client that sends nothing gives its thread back


class Answer(NamedTuple):
    """What a path answers."""

    status: int
    media_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Answer]]
"""What is answered, by path; called by each request."""


@contextmanager
def serving(host: str, port: int, health: Health) -> Iterator[int | None]:
    """Serves the service's routes while the block lasts; see ``serving_routes``.

    Args:
        host: address to listen on.
        port: 0 for none.
        health: read by each request to `/healthz` and `/readyz`.

    Raises:
        OSError: the port is in use or not allowed.
    """
    with serving_routes(host, port, _of_service(health)) as used:
        yield used


@contextmanager
def serving_routes(host: str, port: int, routes: Routes) -> Iterator[int | None]:
    """Serves while the block lasts; yields the port, ``None`` when ``port`` is 0 (off).

    Args:
        host: address to listen on.
        port: 0 for none.
        routes: what is answered.

    Raises:
        OSError: the port is in use or not allowed.
    """
    if port == 0:
        yield None
        return
    server = _Server((host, port), _handler(routes))
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def as_json(content: Mapping[str, object], *, is_good: bool = True) -> Answer:
    """An answer with a JSON object; 503 where it is a bad one."""
    body = json.dumps(content).encode() + b"\n"
    return Answer(200 if is_good else 503, "application/json", body)


def as_metrics(registry: CollectorRegistry) -> Answer:
    """An answer with the metrics of a registry, in the text format."""
    return Answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))


def _of_service(health: Health) -> Routes:
    def healthz() -> Answer:
        content = {"alive": health.alive, "loop_age_seconds": round(health.loop_age_s, 3)}
        return as_json(content, is_good=health.alive)

    def readyz() -> Answer:
        reasons = [reason.as_json() for reason in health.reasons]
        return as_json({"ready": not reasons, "reasons": reasons}, is_good=not reasons)

    return {
        "/metrics": lambda: as_metrics(REGISTRY),
        "/healthz": healthz,
        "/readyz": readyz,
        "/lost": lambda: as_json({"values": LOSSES.listed()}),
        "/sources": lambda: as_json({"sources": CLOCKS.listed()}),
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Logs one line, not a traceback: the client hung up."""
        del request, client_address
        _log.warning("http request failed", exception=type(sys.exception()).__name__)


def _handler(routes: Routes) -> type[BaseHTTPRequestHandler]:
    *first, last = routes
    hint = f"try {', '.join(first)} or {last}\n".encode()

    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            answer = Answer(404, "text/plain", hint) if route is None else route()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing: probes come every few seconds."""

    return Handler
