"""`streamer replay`: send recorded stays as live events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from streamer.cli.feed_options import Speed, Start, parse_speed, parse_start, send
from streamer.datasets.cohort import Cohort
from streamer.feeds.replay import replay as replayed

_MINUTES_STAY_HOURS: Final = 49  # records of the 2012 set end after two days


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Read PhysioNet 2019 (.psv folder or .parquet) or 2012 (.txt folder or .parquet)."
        ),
    ],
    speed: Speed = "max",
    patients: Annotated[
        int | None, typer.Option(min=1, help="Send only the first N; default: all.")
    ] = None,
    admissions_per_hour: Annotated[
        float | None, typer.Option(help="Spread the admissions; default: all at the start.")
    ] = None,
    start: Start = None,
    task: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Read the files by this task file (docs/data.md)."
        ),
    ] = None,
) -> None:
    """Send recorded ICU stays as live events, in the order in which they happened.

    Example: `streamer replay training_setA --patients 100 --speed 3600`
    """
    from streamer.datasets.detect import read_recordings  # noqa: PLC0415 - of the extra `replay`
    from streamer.datasets.task import read_task  # noqa: PLC0415
    from streamer.datasets.task_stays import read_task_stays  # noqa: PLC0415

    pace = parse_speed(speed)
    recorded = (
        read_recordings(paths)
        if task is None
        else read_task_stays(paths, read_task(task), need_label=False)
    )
    n = min(len(recorded), patients or len(recorded))
    longest = (
        int(recorded.iculos[: recorded.starts[n]].max()) + 2
        if isinstance(recorded, Cohort)
        else _MINUTES_STAY_HOURS
    )
    spread = n / admissions_per_hour if admissions_per_hour else 0
    start_ms = parse_start(start, longest + spread)
    feed = replayed(recorded, start_ms, patients=n, admissions_per_hour=admissions_per_hour)
    send(feed, pace, f"{n} stays")
