"""`trainer recalibrate`."""

from __future__ import annotations

import json
import sys
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


def recalibrate(
    out: Annotated[Path, typer.Option(help="Folder for the new bundle and recalibration.json.")],
    data: Data = None,
    model: Model = SHIPPED,
    alert_budget: Annotated[
        float | None,
        typer.Option(
            help="Most alert starts per patient-day, on average.", show_default="the bundle's own"
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates of the intervals.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
    threads: Threads = None,
) -> None:
    """Makes a bundle fit for another site: calibration, threshold and alert policy from its data.

    Network and scaling stay as they are, so it takes a minute and not a training. Choices are made
    on most of the patients, and what they change is measured on the others. At least 20 septic
    patients to choose on are needed, and 5 to judge by: some 35 in all.

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
    from trainer import recalibrate as recalibration  # noqa: PLC0415
    from trainer.cli.tables import changes_table  # noqa: PLC0415
    from trainer.fit import BUNDLE  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(threads, settings)
    found = recalibration.recalibrate(
        bundles.load(model),
        paths,
        out,
        reporter=Reporter(),
        alert_budget=alert_budget,
        n_bootstrap=bootstrap,
    )
    if as_json:
        sys.stdout.write(json.dumps(found.to_json()) + "\n")
    else:
        changes_table(found.before, found.after, found.difference_ci)
        sys.stdout.write(f"model {found.bundle.model_id} in {out / BUNDLE}\n")
