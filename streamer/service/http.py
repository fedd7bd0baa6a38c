"""HTTP port of the service: `/metrics`, `/healthz`, `/readyz`, `/lost` and `/sources`."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamer.service.health import Health
from streamer.service.losses import LOSSES
from streamer.service.metrics import REGISTRY
from streamer.service.source_clocks import CLOCKS

_log = structlog.get_logger()
_PATHS: Final = b"try /metrics, /healthz, /readyz, /lost or /sources\n"
_CLIENT_TIMEOUT_S: Final = 5.0  # a client that sends nothing gives its thread back


@contextmanager
def serving(host: str, port: int, health: Health) -> Iterator[int | None]:
    """Serves while the block lasts; yields the port, ``None`` when ``port`` is 0 (off).

    Args:
        host: address to listen on.
        port: 0 for none.
        health: read by each request to `/healthz` and `/readyz`.

    Raises:
        OSError: the port is in use or not allowed.
    """
    if port == 0:
        yield None
        return
    server = _Server((host, port), _handler(health))
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Logs one line, not a traceback: the client hung up."""
        del request, client_address
        _log.warning("http request failed", exception=type(sys.exception()).__name__)


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                case "/healthz":
                    self._answer_json(health.alive, {
                        "alive": health.alive, "loop_age_seconds": round(health.loop_age_s, 3)
                    })  # fmt: skip
                case "/readyz":
                    reasons = [reason.as_json() for reason in health.reasons]
                    self._answer_json(not reasons, {"ready": not reasons, "reasons": reasons})
                case "/lost":
                    self._answer_json(True, {"values": LOSSES.listed()})
                case "/sources":
                    self._answer_json(True, {"sources": CLOCKS.listed()})
                case _:
                    self._answer(404, "text/plain", _PATHS)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer_json(self, is_good: bool, content: Mapping[str, object]) -> None:
            body = json.dumps(content).encode() + b"\n"
            self._answer(200 if is_good else 503, "application/json", body)

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing: probes come every few seconds."""

    return Handler
