"""`trainer score`: risks, alerts and reasons of stays in bulk, with labels or without."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from streamer.process.terminal import say
from trainer.cli.options import Data, Model, check_bundle, data_paths, refuse
from trainer.errors import InputError
from trainer.settings import TrainerSettings


def score(
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Write this file, .csv or .parquet, a row an hour.")
    ],
    data: Data = None,
    model: Model = SHIPPED,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Also forecast five vital signs for six hours.")
    ] = False,
) -> None:
    """Score stays in bulk: risks of all horizons, alerts and their reasons, hour by hour.

    Labels are not needed and not looked at. The figures are those that the service would say of
    the same rows, to the last bit.

    Examples:

    `trainer score --data our_icu.parquet --out risks.parquet`

    `trainer score --data stays --model runs/first/bundle --forecast --out risks.csv`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_bundle("--model", model, faults)
    if out.suffix not in (".csv", ".parquet"):
        faults.append(f"--out {out}: must end in .csv or .parquet")
    if not out.parent.is_dir():
        faults.append(f"--out {out}: there is no folder {out.parent}")
    refuse(faults)

    from streamer.bundles import build  # noqa: PLC0415
    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.data.cohort import load_unlabelled  # noqa: PLC0415
    from trainer.evaluate import task_of  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.scoring.bulk import score as score_stays  # noqa: PLC0415
    from trainer.scoring.table import write  # noqa: PLC0415

    bundle = bundles.load(model)
    if forecast and not bundle.has_forecast:
        raise InputError(f"bundle {bundle.shown_id}: {bundles.NO_FORECAST}")
    scorer, reporter = build.build(bundle), Reporter()
    with reporter.follow("reading") as progress:
        cohort = load_unlabelled(paths, progress, task_of(bundle))
    with reporter.follow("scoring") as progress:
        scored = score_stays(scorer, cohort, forecast=forecast, progress=progress)
        write(scored, scorer.threshold, out)
    say(f"{len(cohort):,} stays, {cohort.n_rows:,} hours, model {bundle.shown_id}: {out}")
