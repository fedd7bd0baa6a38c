"""`trainer fit`: trains a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.core.model import ID_DIGITS
from streamer.process.terminal import say
from trainer.cli.options import (
    Data,
    SplitFile,
    TaskFile,
    Threads,
    check_bundle,
    check_writable,
    data_paths,
    refuse,
    task_in,
    use_threads,
)
from trainer.errors import InputError
from trainer.settings import TrainerSettings
from trainer.training.epoch_logs import faults_of, opened
from trainer.training.recipe import Recipe

if TYPE_CHECKING:
    from trainer.data.split_rules import SplitRule
    from trainer.registry.promotion import Comparison

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
        typer.Option(
            help="Compare with this bundle, on two thirds of the test patients; the gates of `run`."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Go on from the weights of this bundle, with the stays of a site of your own.",
        ),
    ] = None,
    task_file: TaskFile = None,
    split_file: SplitFile = None,
    split_date: Annotated[
        str | None,
        typer.Option(
            metavar="DATE,DATE",
            help="Split by the column `date`: persons admitted from the first on are validation, "
            "from the second on test.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=0, help="Fit K times, so that each person is a test patient once; at least 3."
        ),
    ] = 0,
    log: Annotated[
        str,
        typer.Option(
            metavar="KIND,KIND",
            help="Write a line an epoch: csv (always), tensorboard, mlflow, as far as installed.",
        ),
    ] = "csv",
    device: Annotated[
        str, typer.Option(help="Train on this device: auto, cpu, cuda, cuda:1.")
    ] = "auto",
    threads: Threads = None,
) -> None:
    """Train a model bundle: split by patient, train, calibrate, choose thresholds, evaluate.

    The default recipe takes some 20 minutes on 2 cores for the public data of two hospitals, two
    thirds of them for the teacher's trees.

    Examples:

    `trainer fit --data training_setA --data training_setB --out runs/first`

    `trainer fit --data stays.parquet --out runs/small --epochs 5 --set hidden=64`

    `trainer fit --data stays.parquet --out runs/folds --folds 5`

    `trainer fit --from models/champion --data archive:/var/lib/vigil/archive --out runs/own`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    kinds = [kind for kind in log.split(",") if kind]
    faults += faults_of(kinds)
    check_writable("--out", out, faults)
    check_bundle("--against", against, faults)
    check_bundle("--from", start, faults)
    task = task_in(task_file, faults)
    rule = _rule(split_file, split_date, faults)
    if folds:
        faults += _against_folds(folds, rule=rule, against=against, start=start, resume=resume)
    named = [f"seed={seed}", f"salt={salt}"]
    named += [f"epochs={epochs}"] * (epochs != _DEFAULT.epochs)
    named += [f"alert_budget={alert_budget}"] * (alert_budget != _DEFAULT.alert_budget)
    recipe, wrong = _DEFAULT.changed([*named, *(knob or [])])
    refuse([*faults, *wrong, *recipe.problems()])

    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.fit import BUNDLE, ENOUGH_SEPTIC, Lineage, Stays  # noqa: PLC0415
    from trainer.fit import fit as fit_bundle  # noqa: PLC0415
    from trainer.progress import Reporter  # noqa: PLC0415
    from trainer.reports.metric_words import figure, shown_metrics  # noqa: PLC0415
    from trainer.training.device import use_device  # noqa: PLC0415
    from trainer.training.fine_tuning import fine_tuning_of  # noqa: PLC0415

    use_threads(threads, settings)
    try:
        use_device(device)
    except ValueError as error:
        refuse([f"--device {error}"])
    lineage = Lineage(
        against=bundles.load(against) if against else None,
        start=bundles.load(start) if start else None,
    )
    if lineage.start is not None:
        recipe, wrong = fine_tuning_of(lineage.start).changed([*named, *(knob or [])])
        refuse([*wrong, *recipe.problems()])
    if folds:
        from trainer.tune.folds import fit_folds  # noqa: PLC0415

        for line in fit_folds(
            Stays(paths, task=task), out, recipe, folds, reporter=Reporter()
        ).lines():
            say(line)
        return
    with opened(kinds, out) as logs:
        fitted = fit_bundle(
            Stays(paths, rule, task),
            out,
            recipe,
            reporter=Reporter(logs=logs),
            resume=resume,
            n_bootstrap=bootstrap,
            lineage=lineage,
        )
    say(f"model {fitted.bundle.shown_id} in {out / BUNDLE}")
    shown = shown_metrics(fitted.bundle.manifest)
    for name in ("utility", "auroc", "auprc", "alerts_per_patient_day"):
        if name in shown:
            say(f"test patients, {shown[name]}: {figure(fitted.test, name)}")
    of_what = "" if task is None else ", whose risks are of sepsis,"
    for line in fitted.beside.lines():
        say(f"the shipped bundle{of_what} beside it: {line}")
    n_septic = fitted.bundle.manifest["data"]["sides"]["train"]["n_septic"]
    if n_septic < ENOUGH_SEPTIC and lineage.start is None:
        kind = "septic patients" if task is None else "patients with the outcome"
        say(
            f"{n_septic} {kind} to learn from, and some hundred are needed: --from goes on from a "
            "bundle with your patients, `trainer recalibrate` makes it fit them, and a fit on the "
            "public data and yours together (--data twice) learns from both"
        )
    if fitted.comparison is not None:
        _say_gates(fitted.comparison)


def _rule(file: Path | None, dates: str | None, faults: list[str]) -> SplitRule | None:
    from streamer.datasets.cohort import DataError  # noqa: PLC0415
    from trainer.data.split_rules import ByDate, ByFile  # noqa: PLC0415

    if file and dates:
        faults.append("--split-file and --split-date are two splits: give one")
    try:
        if file:
            return ByFile.read(file)
        return ByDate.parse(dates) if dates else None
    except (DataError, InputError) as error:
        faults.append(f"--split-{'file' if file else 'date'}: {error}")
        return None


def _against_folds(folds: int, **others: object) -> list[str]:
    from trainer.data.split_rules import LEAST_FOLDS  # noqa: PLC0415

    faults = [f"--folds {folds}: at least {LEAST_FOLDS}"] if folds < LEAST_FOLDS else []
    names = {"rule": "--split-file, --split-date", "start": "--from"}
    wrong = [names.get(name, f"--{name}") for name, value in others.items() if value]
    return faults + [f"--folds goes without {', '.join(wrong)}"] * bool(wrong)


def _say_gates(comparison: Comparison) -> None:
    from trainer.registry.gates import all_pass, gates  # noqa: PLC0415

    for line in comparison.lines():
        say(line)
    if comparison.evidence is None:
        return
    verdicts = gates(comparison.evidence)
    for gate in verdicts:
        say(f"gate {gate.name}: {gate.verdict}; {gate.text}")
    verdict = "better than" if all_pass(verdicts) else "not shown to be better than"
    say(f"{verdict} {comparison.champion[:ID_DIGITS]}")
