"""`streamer simulate`: send a simulated ward as live events."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from streamer.cli.feed_options import Speed, Start, parse_speed, parse_start, send
from streamer.sim.knobs import ScenarioError
from streamer.sim.scenario import Scenario, parse_scenario
from streamer.sim.ward import ward

_ENDLESS_START_HOURS: Final = 14 * 24  # simulated time before an endless ward meets the real clock


def simulate(
    beds: Annotated[int, typer.Option(min=1, help="Number of beds.")] = 20,
    speed: Speed = "60",
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the ward.")] = 1,
    hours: Annotated[
        float | None, typer.Option(min=0.1, help="Hours to simulate; default: without end.")
    ] = None,
    vitals_every: Annotated[
        float,
        typer.Option(min=0.1, max=3600, help="Seconds between two sets of vital signs of a bed."),
    ] = 60,
    start: Start = None,
    ahead: Annotated[
        float,
        typer.Option(
            min=0, help="Hours of the ward that are sent at once, before the chosen speed begins."
        ),
    ] = 0,
    scenario: Annotated[
        Path | None,
        typer.Option(help="JSON file of all parameters; the options above override it."),
    ] = None,
) -> None:
    """Simulate a ward: admissions, vital signs, late labs, sepsis, discharges, and the true labels.

    Example: `streamer simulate --beds 20 --speed 600 --hours 48`
    """
    pace = parse_speed(speed)
    base = Scenario()
    if scenario is not None:
        try:
            base = parse_scenario(scenario.read_text())
        except OSError as error:
            raise ScenarioError(f"{scenario} cannot be read: {error}") from error
    start_ms = parse_start(start, _ENDLESS_START_HOURS if hours is None else math.ceil(hours))
    chosen = replace(
        base, beds=beds, seed=seed, hours=hours, vitals_every_s=vitals_every, start_ms=start_ms
    )
    send(ward(chosen), pace, f"{beds} beds", ahead)
