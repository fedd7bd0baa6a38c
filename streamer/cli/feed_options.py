"""Options of the commands that send events, and the sending itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Annotated

import typer

from streamer.cli.progress import Report
from streamer.cli.times import parse_time_ms
from streamer.core.time import HOUR_MS, rfc3339
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics, feed_topics

Speed = Annotated[
    str,
    typer.Option(
        help="Seconds of feed per second, or `max`; events never get ahead of the real clock."
    ),
]
Start = Annotated[
    str | None,
    typer.Option(help="Start of the feed, RFC 3339 with an offset; default: so that it ends now."),
]


def send(feed: Iterable[Message], speed: float | None, what: str, ahead_hours: float = 0) -> None:
    """Sends a feed to the topics until it ends or Ctrl-C, and reports its progress.

    The first ``ahead_hours`` of it are sent as fast as possible.
    """
    settings = Settings()
    ensure_topics(settings, feed_topics(settings))
    topics = {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes}
    with stop_on_signal() as stop, Report(what) as report:

        def show(sent: int, due_ms: int) -> None:
            report.update(f"{sent} messages, feed time {rfc3339(due_ms // 1000 * 1000)}")

        sent = publish(
            feed,
            settings.kafka_connection(),
            topics,
            speed=speed,
            stop=stop,
            progress=show,
            ahead_ms=round(ahead_hours * HOUR_MS),
        )
    say(f"{sent} messages sent", error=True)


def parse_speed(text: str) -> float | None:
    """Reads ``--speed``: seconds of feed a second, ``None`` for ``max``.

    Raises:
        typer.BadParameter: it is neither ``max`` nor a finite number above 0.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not (math.isfinite(speed) and speed > 0):
        raise typer.BadParameter(f"--speed must be a number above 0 or max, not {text!r}")
    return speed


def parse_start(text: str | None, hours: float) -> int:
    """Reads ``--start`` as epoch milliseconds; without it, so that ``hours`` of feed end now.

    Raises:
        typer.BadParameter: it is not RFC 3339 with an offset.
    """
    if text is None:
        return int(time.time() * 1000) - math.ceil(hours * HOUR_MS)
    return parse_time_ms(text, "--start")
