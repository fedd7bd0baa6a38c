"""`streamer run`: run the service."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer

from streamer.cli.listening import listening
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say_lines
from streamer.service import logs
from streamer.service.health import Health
from streamer.service.http import serving
from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings
from streamer.service.topics import check_widths, ensure_topics, service_topics
from streamer.service.weak_connections import weak_choices

if TYPE_CHECKING:
    from streamer.service.worker import Worker

_log = structlog.get_logger()

# The service promises to end within ten seconds of SIGTERM. A call to a broker that is away can
# last longer; to exit then is safe, because the protocol survives a crash at any point.
_LAST_MOMENT_S: Final = 9.0
_RETRY_S: Final = 1.0


def run(
    exit_when_idle: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=0,
            help="Exit after S seconds in which all is read and no event comes; default: never.",
        ),
    ] = None,
) -> None:
    """Run the service: step patients' states event by event, write risks and alerts.

    Several processes share the partitions. On SIGTERM or Ctrl-C it finishes the batch, leaves the
    group and exits with 0 within ten seconds. Liveness, readiness and metrics: http://127.0.0.1:8000
    (STREAMER_HTTP_PORT).
    """
    settings = Settings()
    if settings.require_tls and (weak := list(weak_choices(settings))):
        say_lines(["STREAMER_REQUIRE_TLS is true:", *(f"  {line}" for line in weak)], error=True)
        raise typer.Exit(2)
    logs.configure(settings.log_format, Pseudonyms(settings.log_key.get_secret_value()))
    health = Health()
    host, port = settings.http_host, settings.http_port
    served = listening(serving(host, port, health), host, port, "STREAMER_HTTP_PORT")
    with stop_on_signal() as stop, served:
        threading.Thread(target=_leave_in_time, args=(stop,), daemon=True).start()
        try:
            worker = _connected(settings, health, stop)
            if worker is None:
                return
            with contextlib.closing(worker):
                worker.run(stop, exit_when_idle)
        except Exception as error:
            # Python's own traceback could show a patient's id.
            _log.critical("failed", exc_info=error)
            raise typer.Exit(1) from None


def _connected(settings: Settings, health: Health, stop: threading.Event) -> Worker | None:
    """Makes the worker as soon as Kafka and Redis answer; ``None`` if ``stop`` is set before."""
    # the scoring code is loaded here: the other commands start without it
    from streamer.service import bootstrap  # noqa: PLC0415

    while not stop.is_set():
        health.beat()
        try:
            check_widths(settings, ensure_topics(settings, service_topics(settings)))
            return bootstrap.worker(settings, health)
        except (LogUnavailable, StoreUnavailable) as error:
            health.note_outage(error)
            stop.wait(_RETRY_S)
    return None


def _leave_in_time(stop: threading.Event) -> None:
    stop.wait()
    time.sleep(_LAST_MOMENT_S)
    os._exit(0)
