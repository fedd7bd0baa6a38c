"""`trainer evaluate`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from trainer.cli.options import Data, Model, Threads, check_bundle, data_paths, refuse, use_threads
from trainer.settings import TrainerSettings


class Side(StrEnum):
    """Which patients of the files are judged."""

    ALL = "all"
    TEST = "test"


def evaluate(
    data: Data = None,
    model: Model = SHIPPED,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Parquet file to write: patient, hour (ICULOS), risk, positive."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Replicates for 95 % intervals; 1000 to report them.")
    ] = 0,
    split: Annotated[
        Side,
        typer.Option(help="`test`: only the patients that the bundle's own split held out."),
    ] = Side.ALL,
    forecast: Annotated[
        bool,
        typer.Option("--forecast", help="Also measure the forecast of vital signs."),
    ] = False,
    threads: Threads = None,
) -> None:
    """Prints the figures of a bundle on these patients, whole and by hospital.

    Patients that the bundle was fitted on flatter it: a warning says so, and `--split test` leaves
    them out.

    Examples:

    `trainer evaluate --data training_setA --split test --bootstrap 1000`

    `trainer evaluate --model runs/first/bundle --data stays.parquet --predictions risks.parquet`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_bundle("--model", model, faults)
    if predictions is not None and not predictions.parent.is_dir():
        faults.append(f"--predictions {predictions}: there is no folder {predictions.parent}")
    refuse(faults)

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer import evaluate as evaluating  # noqa: PLC0415
    from trainer.cli.tables import figures_table  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(threads, settings)
    found = evaluating.evaluate(
        bundles.load(model),
        paths,
        reporter=Reporter(),
        patients=split.value,
        n_bootstrap=bootstrap,
        forecast=forecast,
    )
    if predictions is not None:
        found.predictions.write(predictions)
    if as_json:
        sys.stdout.write(json.dumps(found.figures) + "\n")
    else:
        figures_table(found.figures)
