"""`trainer fit`: trains a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.process.terminal import say
from trainer.cli.options import (
    Data,
    Threads,
    check_bundle,
    check_writable,
    data_paths,
    refuse,
    use_threads,
)
from trainer.settings import TrainerSettings
from trainer.training.recipe import Recipe

_DEFAULT = Recipe()


def fit(
    out: Annotated[
        Path, typer.Option(help="Write bundle, plots, history and checkpoint into this folder.")
    ],
    data: Data = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint in OUT, if there is one.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Random seed of weights, order and dropout.")
    ] = _DEFAULT.seed,
    salt: Annotated[
        str, typer.Option(help="Salt of the split by patient; another salt gives another test set.")
    ] = _DEFAULT.salt,
    epochs: Annotated[int, typer.Option(help="Maximum epochs of the LSTM.")] = _DEFAULT.epochs,
    alert_budget: Annotated[
        float, typer.Option(help="Maximum alert starts per patient-day, on average.")
    ] = _DEFAULT.alert_budget,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KNOB=VALUE",
            help="Set another knob of trainer/training/recipe.py; repeatable.",
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, help="Number of bootstrap replicates of the intervals in the card."),
    ] = 200,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this bundle, on patients that neither was fitted on."),
    ] = None,
    threads: Threads = None,
) -> None:
    """Train a model bundle: split by patient, train, calibrate, choose thresholds, evaluate.

    The default recipe takes some 20 minutes on 2 cores for the public data of two hospitals, two
    thirds of them for the teacher's trees.

    Examples:

    `trainer fit --data training_setA --data training_setB --out runs/first`

    `trainer fit --data stays.parquet --out runs/small --epochs 5 --set hidden=64`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_writable("--out", out, faults)
    check_bundle("--against", against, faults)
    named = [f"seed={seed}", f"salt={salt}", f"epochs={epochs}", f"alert_budget={alert_budget}"]
    recipe, wrong = _DEFAULT.changed([*named, *(knob or [])])
    refuse([*faults, *wrong, *recipe.problems()])

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from streamer.bundles.bundle import short  # noqa: PLC0415
    from trainer.fit import BUNDLE  # noqa: PLC0415
    from trainer.fit import fit as fit_bundle  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.reports.card import figure  # noqa: PLC0415

    use_threads(threads, settings)
    fitted = fit_bundle(
        paths,
        out,
        recipe,
        reporter=Reporter(),
        resume=resume,
        n_bootstrap=bootstrap,
        against=bundles.load(against) if against else None,
    )
    say(f"model {fitted.bundle.shown_id} in {out / BUNDLE}")
    for name in ("utility", "auroc", "auprc", "alerts_per_patient_day"):
        say(f"test {name.replace('_', ' ')}: {figure(fitted.test, name)}")
    if fitted.comparison is not None:
        verdict = "better than" if fitted.comparison.better else "not better than"
        say(f"{verdict} {short(fitted.comparison.champion)}: {fitted.comparison.why}")
