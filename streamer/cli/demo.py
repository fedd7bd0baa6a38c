"""`streamer demo`: Kafka, Redis, a simulated ward, the service and its alerts, in one command."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from streamer.cli.alerts import show_alerts
from streamer.local import LocalStack
from streamer.local.child import running_child
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say, say_lines
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_BOARD_ANSWERS_S = 20.0  # two on an idle machine; then its address is said all the same
# A ward that begins empty has no alert for hours: the past of a day and a half comes at once.
_PAST_HOURS = 36
# A set of vital signs each five minutes of the ward: a past of a minute's pace takes a slow machine
# a minute to work through, in which beds look silent.
_VITALS_EVERY_S = 300

# The demo is this machine's own: nobody logs in, and time is that of the simulated ward. What the
# board reports elsewhere is of no use here.
_BOARD: Final = {
    "STREAMER_BOARD_AUTH": "none",
    "STREAMER_BOARD_CLOCK": "log",
    "STREAMER_BOARD_HTTP_PORT": "0",
}


def demo(
    beds: Annotated[int, typer.Option(min=1, help="Beds of the simulated ward.")] = 24,
    speed: Annotated[float, typer.Option(min=1, help="Simulated seconds per second.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the ward.")] = 9,
) -> None:
    """Run everything on this machine: Kafka, Redis, a simulated ward, the service, its alerts.

    Nothing else is needed. Ctrl-C stops all of it. With the extra `board` the ward's board is
    served as well; its address is printed first. The ward has a past of a day and a half, which is
    sent at once; then a second is a minute, so that a snooze of 15 minutes lasts 15 seconds.
    """
    settings_before = Settings()  # a wrong one is said before servers are started
    with ExitStack() as running:
        stop = running.enter_context(stop_on_signal())
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="vigil-demo-")))
        stack = running.enter_context(
            LocalStack(
                existing_kafka=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
                existing_redis=os.environ.get("REDIS_URL"),
            )
        )
        if "REDIS_URL" not in os.environ:  # nobody else publishes to a Redis that begins empty
            os.environ.setdefault("STREAMER_ALLOW_UNSIGNED_MODELS", "true")
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = stack.kafka
        os.environ["REDIS_URL"] = stack.redis
        settings = Settings()
        ensure_topics(settings)
        ward = ["simulate", f"--beds={beds}", f"--speed={speed}", f"--seed={seed}"]
        ward += [f"--ahead={_PAST_HOURS}", f"--vitals-every={_VITALS_EVERY_S}"]
        parts = [("service", ["run"]), ("ward", ward)]
        if (board_port := _board_port(settings_before)) is not None:
            os.environ |= _BOARD
            parts.insert(0, ("board", ["board", "--host=127.0.0.1", f"--port={board_port}"]))
        for name, arguments in parts:
            running.enter_context(_child(name, arguments, folder, stop))
        if board_port is not None:
            _wait_for_board(board_port, stop)
            say(f"The board: http://127.0.0.1:{board_port}/", error=True)
        say(f"Kafka {stack.kafka}, Redis {stack.redis.rpartition('@')[2]}", error=True)
        say(f"A ward of {beds} beds at {speed:g} times real speed. Alerts follow.", error=True)
        show_alerts(settings, from_beginning=True, as_json=False, stop=stop)


def _board_port(settings: Settings) -> int | None:
    """A port for the board: that of the settings if it is free; ``None`` without the extra."""
    if importlib.util.find_spec("uvicorn") is None:
        return None
    for port in (settings.board_port, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as listening:
            free: int = listening.getsockname()[1]
            return free
    return None


def _wait_for_board(port: int, stop: threading.Event) -> None:
    """Waits until the board answers: whoever clicks on its address sees it."""
    give_up_at = time.monotonic() + _BOARD_ANSWERS_S
    while time.monotonic() < give_up_at and not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        stop.wait(0.1)


@contextmanager
def _child(name: str, arguments: list[str], folder: Path, stop: threading.Event) -> Iterator[None]:
    """Runs a `streamer` process until the block ends, or this process is killed.

    If it fails, ``stop`` is set: without it no alert would ever come.
    """
    command = [sys.executable, "-m", "streamer", *arguments]

    def show(log: str) -> None:
        say_lines((f"{name} failed:", *log.splitlines()), error=True)

    with running_child(command, folder / f"{name}.log", stop, show) as child:
        yield
    if child.failed:
        raise typer.Exit(1)
