"""`streamer replay` and `streamer simulate`: events on the `vitals` topic."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from streamer.adapters.cohort import Cohort
from streamer.adapters.recordings import read_recordings
from streamer.cli.report import Report
from streamer.cli.signals import until_told
from streamer.core.time import BadTimeError, read_ms
from streamer.feeds.message import Message, rfc3339
from streamer.feeds.publish import publish
from streamer.feeds.replay import replay as replayed
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from streamer.sim.scenario import Scenario, ScenarioError, parse_scenario
from streamer.sim.ward import ward

_HOUR_MS: Final = 3_600_000
_MINUTES_STAY_HOURS: Final = 49  # records of the 2012 set end after two days
_ENDLESS_START_HOURS: Final = 14 * 24  # how long a ward without end can outpace the real clock

Speed = Annotated[
    str, typer.Option(help="Feed seconds a second, or `max`. Never ahead of the real clock.")
]
Start = Annotated[
    str | None, typer.Option(help="Feed time of the start, RFC 3339; default: so that it ends now.")
]


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="PhysioNet 2019 (.psv folder or .parquet) or 2012 (.txt folder or .parquet)."
        ),
    ],
    speed: Speed = "max",
    patients: Annotated[int | None, typer.Option(min=1, help="Only the first N.")] = None,
    admissions_per_hour: Annotated[
        float | None, typer.Option(help="Spreads admissions; default: all at the start.")
    ] = None,
    start: Start = None,
) -> None:
    """Plays recorded ICU stays as live events, in the order in which they happened.

    Example: `streamer replay training_setA --patients 100 --speed 3600`
    """
    pace = _speed(speed)
    recorded = read_recordings(paths)
    n = min(len(recorded), patients or len(recorded))
    longest = (
        int(recorded.iculos[: recorded.starts[n]].max()) + 2
        if isinstance(recorded, Cohort)
        else _MINUTES_STAY_HOURS
    )
    spread = n / admissions_per_hour if admissions_per_hour else 0
    start_ms = _start_ms(start, longest + spread)
    feed = replayed(recorded, start_ms, patients=n, admissions_per_hour=admissions_per_hour)
    _send(feed, pace, f"{n} stays")


def simulate(
    beds: Annotated[int, typer.Option(min=1, help="Beds of the ward.")] = 20,
    speed: Speed = "60",
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another ward.")] = 1,
    hours: Annotated[float | None, typer.Option(min=0.1, help="Default: without end.")] = None,
    vitals_every: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between vital signs of a bed.")
    ] = 60,
    start: Start = None,
    scenario: Annotated[
        Path | None, typer.Option(help="JSON file of all knobs; the options above win over it.")
    ] = None,
) -> None:
    """Simulates a ward: admissions, vital signs, late labs, sepsis, discharges, and their truth.

    Example: `streamer simulate --beds 20 --speed 600 --hours 48`
    """
    pace = _speed(speed)
    base = Scenario()
    if scenario is not None:
        try:
            base = parse_scenario(scenario.read_text())
        except OSError as error:
            raise ScenarioError(f"{scenario} cannot be read: {error}") from error
    start_ms = _start_ms(start, _ENDLESS_START_HOURS if hours is None else math.ceil(hours))
    chosen = replace(
        base, beds=beds, seed=seed, hours=hours, vitals_every_s=vitals_every, start_ms=start_ms
    )
    _send(ward(chosen), pace, f"{beds} beds")


def _send(feed: Iterable[Message], speed: float | None, what: str) -> None:
    settings = Settings()
    ensure_topics(settings)
    topics = {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes}
    with until_told() as told, Report(what) as report:

        def told_of(sent: int, due_ms: int) -> None:
            report.update(f"{sent} messages, feed time {rfc3339(due_ms // 1000 * 1000)}")

        sent = publish(
            feed,
            settings.kafka_connection(),
            topics,
            speed=speed,
            stop=told,
            progress=told_of,
        )
    Console(stderr=True).print(f"{sent} messages sent")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not (math.isfinite(speed) and speed > 0):
        raise typer.BadParameter(f"--speed must be a number above 0 or max, not {text!r}")
    return speed


def _start_ms(text: str | None, hours: float) -> int:
    if text is None:
        return int(time.time() * 1000) - math.ceil(hours * _HOUR_MS)
    try:
        return read_ms(text)
    except BadTimeError as error:
        raise typer.BadParameter(f"--start {text!r}: {error}") from None
