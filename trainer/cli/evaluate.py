"""`trainer evaluate`: the figures of a bundle on labelled stays."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from streamer.process.terminal import say_json
from trainer.cli.options import (
    Data,
    Model,
    SplitFile,
    Threads,
    check_bundle,
    data_paths,
    refuse,
    use_threads,
)
from trainer.settings import TrainerSettings


class Side(StrEnum):
    """The patients of the files that are evaluated."""

    ALL = "all"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    data: Data = None,
    model: Model = SHIPPED,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Write a Parquet file of patient, hour (ICULOS), risk and positive."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
    bootstrap: Annotated[
        int,
        typer.Option(
            min=0, help="Number of bootstrap replicates of 95 % intervals; 1000 for a report."
        ),
    ] = 0,
    split: Annotated[
        Side,
        typer.Option(
            help="Evaluate all patients, only those that the bundle held out (`test`), or those "
            "that you may tune by (`validation`)."
        ),
    ] = Side.ALL,
    split_file: SplitFile = None,
    forecast: Annotated[
        bool,
        typer.Option("--forecast", help="Also evaluate the forecast of vital signs."),
    ] = False,
    threads: Threads = None,
) -> None:
    """Evaluate a bundle on labelled stays, over all and by hospital.

    Patients that the bundle was fitted on flatter it: a warning says so, and `--split test` leaves
    them out.

    Examples:

    `trainer evaluate --data training_setA --split test --bootstrap 1000`

    `trainer evaluate --model runs/first/bundle --data stays.parquet --predictions risks.parquet`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_bundle("--model", model, faults)
    if split_file is not None and split is Side.ALL:
        faults.append("--split-file: say which side, --split test or --split validation")
    if predictions is not None and not predictions.parent.is_dir():
        faults.append(f"--predictions {predictions}: there is no folder {predictions.parent}")
    refuse(faults)

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.cli.tables import figures_table  # noqa: PLC0415
    from trainer.data.split_rules import ByFile  # noqa: PLC0415
    from trainer.evaluate import evaluate as evaluate_bundle  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.reports.metric_words import shown_metrics  # noqa: PLC0415

    use_threads(threads, settings)
    bundle = bundles.load(model)
    evaluation = evaluate_bundle(
        bundle,
        paths,
        reporter=Reporter(),
        patients=split.value,
        n_bootstrap=bootstrap,
        forecast=forecast,
        rule=ByFile.read(split_file) if split_file else None,
    )
    if predictions is not None:
        evaluation.predictions.write(predictions)
    if as_json:
        say_json(evaluation.figures)
    else:
        figures_table(evaluation.figures, shown_metrics(bundle.manifest))
