"""`/metrics`, `/healthz` and `/readyz` on one small HTTP port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamer.service.metrics import REGISTRY

_CLIENT_TIMEOUT_S: Final = 5.0


@contextmanager
def serving(host: str, port: int, not_ready: Callable[[], list[str]]) -> Iterator[int | None]:
    """Serves while the block lasts; yields the port, ``None`` when ``port`` is 0 (off).

    Raises:
        OSError: the port is in use or not allowed.
    """
    if port == 0:
        yield None
        return
    server = ThreadingHTTPServer((host, port), _handler(not_ready))
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _handler(not_ready: Callable[[], list[str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            match self.path:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                case "/healthz":
                    self._answer(200, "text/plain", b"alive\n")
                case "/readyz":
                    reasons = not_ready()
                    body = json.dumps({"ready": not reasons, "reasons": reasons}).encode()
                    self._answer(503 if reasons else 200, "application/json", body)
                case _:
                    self._answer(404, "text/plain", b"try /metrics, /healthz or /readyz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds; the service's log is not for them."""

    return Handler
