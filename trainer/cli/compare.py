"""`trainer compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from trainer.cli.options import (
    Data,
    Model,
    Threads,
    check_bundle,
    check_writable,
    data_paths,
    refuse,
    use_threads,
)
from trainer.settings import TrainerSettings


def compare(
    out: Annotated[Path, typer.Option(help="Folder for page, table, pictures and results.")],
    data: Data = None,
    model: Model = SHIPPED,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Fit this model anew, and no other; repeatable. What OUT holds is still shown.",
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=1, help="Replicates of the 95 % intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    threads: Threads = None,
) -> None:
    """Compares every family of models on the same patients, hours, labels and scorer.

    MODEL is the final LSTM. DATA must be the stays that it was fitted on: its test patients judge
    all of them, and the others are fitted to its training patients. OUT gets comparison.md,
    comparison.csv and pictures. It also keeps the scores of each model: called again, the command
    fits only what is not there yet, or was made of other data.

    The public data of two hospitals take about an hour and a half on 4 cores.

    Examples:

    `trainer compare --data training_setA --data training_setB --out runs/comparison`

    `trainer compare --data stays.parquet --out runs/comparison --only gru --only sirs`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_bundle("--model", model, faults)
    check_writable("--out", out, faults)
    refuse(faults)

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.cli.tables import comparison_table  # noqa: PLC0415
    from trainer.compare.families import everybody  # noqa: PLC0415

    entrants = everybody()

    from trainer.compare import run  # noqa: PLC0415 - matplotlib, which may be missing
    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(threads, settings)
    found = run.compare(
        paths,
        out,
        bundles.load(model),
        entrants,
        run.Options(only or (), bootstrap, seed),
        reporter=Reporter(),
    )
    ranked = sorted((found.final, *found.families), key=lambda each: each.rank)
    comparison_table([(each.name, each.standing.figures) for each in ranked], out)
