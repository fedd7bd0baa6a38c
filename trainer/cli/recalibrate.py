"""`trainer recalibrate`: a bundle calibrated for a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from streamer.process.terminal import say, say_json
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


def recalibrate(
    out: Annotated[
        Path, typer.Option(help="Write the new bundle and recalibration.json into this folder.")
    ],
    data: Data = None,
    model: Model = SHIPPED,
    alert_budget: Annotated[
        float | None,
        typer.Option(
            help="Maximum alert starts per patient-day, on average.",
            show_default="the bundle's own",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Number of bootstrap replicates of the intervals.")
    ] = 200,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Calibrate a bundle for another site: calibration, threshold and alert policy from its data.

    Network and scaling stay as they are, so it takes a minute. Choices are made on most of the
    patients, and their effect is measured on the others. At least 20 septic patients to choose on
    are needed, and 5 to evaluate on: some 35 in all.

    Examples:

    `trainer recalibrate --data our_icu --out runs/ours`

    `trainer models promote runs/ours/bundle --why "calibrated on our own patients"`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_writable("--out", out, faults)
    check_bundle("--model", model, faults)
    if alert_budget is not None and not alert_budget > 0:
        faults.append(f"--alert-budget must be above 0, not {alert_budget}")
    refuse(faults)

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.cli.tables import changes_table  # noqa: PLC0415
    from trainer.fit import BUNDLE  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.recalibrate import recalibrate as recalibrate_bundle  # noqa: PLC0415
    from trainer.reports.metric_words import shown_metrics  # noqa: PLC0415

    use_threads(threads, settings)
    recalibrated = recalibrate_bundle(
        bundles.load(model),
        paths,
        out,
        reporter=Reporter(),
        alert_budget=alert_budget,
        n_bootstrap=bootstrap,
    )
    if as_json:
        say_json(recalibrated.to_json())
    else:
        changes_table(
            recalibrated.before,
            recalibrated.after,
            recalibrated.difference_ci,
            shown_metrics(recalibrated.bundle.manifest),
        )
        say(recalibrated.verdict())
        say(f"model {recalibrated.bundle.shown_id} in {out / BUNDLE}")
