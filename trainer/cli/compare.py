"""`trainer compare`: all model families on the same patients."""

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
    out: Annotated[
        Path, typer.Option(help="Write page, table, plots and results into this folder.")
    ],
    data: Data = None,
    model: Model = SHIPPED,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Fit only this model anew; repeatable. Results in OUT are still shown.",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=1, help="Number of bootstrap replicates of the 95 % intervals.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    threads: Threads = None,
) -> None:
    """Compare every family of models on the same patients, hours, labels and scorer.

    MODEL is the final LSTM. DATA must be the stays that it was fitted on: the other families are
    fitted to its training patients, and all are compared on its test patients. OUT gets
    comparison.md, comparison.csv and plots, and keeps the scores of each model: called again, the
    command fits only models without scores, or with scores from other data.

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

    from trainer.compare import run  # noqa: PLC0415 - needs matplotlib, which may be missing
    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(threads, settings)
    comparison = run.compare(
        paths,
        out,
        bundles.load(model),
        entrants,
        run.Options(only or (), bootstrap, seed),
        reporter=Reporter(),
    )
    ranked = sorted((comparison.final, *comparison.families), key=lambda entry: entry.rank)
    comparison_table([(entry.name, entry.standing.figures) for entry in ranked], out)
