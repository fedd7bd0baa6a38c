"""`trainer explain`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED, BundleError
from streamer.core.variables import BUILT_IN
from streamer.process.terminal import say_json, say_lines
from trainer.cli.options import (
    Data,
    Model,
    check_bundle,
    check_writable,
    data_paths,
    refuse,
    use_threads,
)
from trainer.errors import InputError
from trainer.explain.measurement_arg import MeasurementArg, parse
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.explain.explanation import Explanation
    from trainer.progress import Reporter

_LONGEST_NAME: Final = 50  # characters of up to 4 bytes; a file name has at most 255 bytes


def explain(
    patient: Annotated[
        str | None, typer.Argument(help="Patient id. Without it, stays to look at are suggested.")
    ] = None,
    data: Data = None,
    model: Model = SHIPPED,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Write the plot of the stay here, and FILE-influence.png beside it. "
            "Default: PATIENT.png in this folder; no plot with --json.",
        ),
    ] = None,
    follow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIABLE[@HOUR]",
            help="Follow the influence of this measurement, such as lactate or lactate@30; "
            "repeatable. Default: those that add most at the peak of the risk.",
        ),
    ] = None,
    suggest: Annotated[
        int, typer.Option(min=1, help="Number of stays of each kind, without PATIENT.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
) -> None:
    """Explain the risks of one stay in two plots and in sentences.

    The first plot has measurements, risks and alerts, the contribution of each variable, and the
    gates and cell state of the LSTM, over the hours of the stay. The second takes single
    measurements out and shows the change of the risk in each later hour, and whether it comes
    through the features or through the LSTM's state.

    Drugs are not an input of the risk model, as the PhysioNet 2019 data has none.

    Examples:

    `trainer explain --data training_setA`

    `trainer explain p000078 --data training_setA --follow lactate --out stay.png`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    check_bundle("--model", model, faults)
    if out is not None and out.suffix != ".png":
        faults.append(f"--out {out}: must end in .png")
    if out is not None and not out.parent.is_dir():
        faults.append(f"--out {out}: there is no folder {out.parent}")
    elif out is not None:
        check_writable("--out", out.parent, faults)
        if out.is_dir():
            faults.append(f"--out {out}: is a folder, not a file")
    if patient is None and (out or follow):
        faults.append("--out and --follow need a PATIENT")
    followed = []
    for text in follow or []:
        try:
            followed.append(parse(text, _variables_of(model)))
        except InputError as error:
            faults.append(f"--follow {text}: {error}")
    refuse(faults)

    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(None, settings)
    if patient is None:
        _suggest(paths, model, suggest, as_json, Reporter())
        return
    picture = out or (None if as_json else _plot_file(patient))
    _explain(patient, paths, model, followed, picture, as_json, Reporter())


def _variables_of(folder: Path) -> Collection[str]:
    """The names that may be followed; that a folder is no bundle is a fault of its own."""
    try:
        return bundles.load(folder).manifest["variables"]
    except (BundleError, KeyError):
        return BUILT_IN.names


def _plot_file(patient: str) -> Path:
    """A file name for any patient id: an id may hold slashes, and 128 characters of any kind.

    >>> _plot_file("ward 3/p.7").name
    'ward_3_p.7.png'
    """
    return Path(re.sub(r"[^\w.-]", "_", patient)[:_LONGEST_NAME] + ".png")


def _explain(
    patient: str,
    paths: list[Path],
    folder: Path,
    follow: list[MeasurementArg],
    picture: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> None:
    from streamer.bundles import build  # noqa: PLC0415
    from trainer.data.cohort import load_unlabelled  # noqa: PLC0415
    from trainer.data.known_stays import known_stays  # noqa: PLC0415
    from trainer.evaluate import task_of  # noqa: PLC0415
    from trainer.explain.explanation import explain, index_of  # noqa: PLC0415
    from trainer.explain.json_output import to_json  # noqa: PLC0415
    from trainer.explain.text import sentences  # noqa: PLC0415

    bundle = bundles.load(folder)
    model = build.build(bundle)
    with reporter.follow("reading") as progress:
        cohort = load_unlabelled(paths, progress, task_of(bundle))
    index = index_of(patient, cohort.patient_ids)
    stay, known = cohort.take([index]), known_stays(bundle.manifest, cohort)
    if known is not None and known.seen[index]:
        renamed = ", known by its content under another id," * bool(known.under_other_ids[index])
        reporter.say(
            f"note: bundle {bundle.shown_id} was fitted or chosen with the help of "
            f"{patient}{renamed or ','} which may flatter its risks"
        )
    explanation = explain(model, stay, follow)
    drawn = [] if picture is None else _draw(explanation, picture)
    if as_json:
        content = {**to_json(explanation), "pictures": list(map(str, drawn))}
        say_json(content)
    else:
        lines = [*sentences(explanation), f"Drawn: {', '.join(map(str, drawn))}"]
        say_lines(lines)


def _draw(explanation: Explanation, picture: Path) -> list[Path]:
    try:
        from trainer.explain.plots import draw_influences, draw_stay  # noqa: PLC0415
        from trainer.reports.plots import save_png  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            "plots need Matplotlib: pip install 'vigil-icu[train]', or --json without --out"
        ) from error

    beside = picture.with_stem(f"{picture.stem}-influence")
    return [
        save_png(draw_stay(explanation), picture),
        save_png(draw_influences(explanation), beside),
    ]


def _suggest(paths: list[Path], folder: Path, n: int, as_json: bool, reporter: Reporter) -> None:

    from streamer.bundles import build  # noqa: PLC0415
    from trainer.cli.tables import suggestions_table  # noqa: PLC0415
    from trainer.data.cohort import load_cohort  # noqa: PLC0415
    from trainer.data.dataset import Dataset, build_features  # noqa: PLC0415
    from trainer.decisions.predictions import predict  # noqa: PLC0415
    from trainer.evaluate import task_of  # noqa: PLC0415
    from trainer.explain.suggestions import suggest, unseen_stays  # noqa: PLC0415

    bundle = bundles.load(folder)
    model = build.build(bundle)
    with reporter.follow("reading") as progress:
        cohort = load_cohort(paths, progress, task_of(bundle))
    cohort = cohort.take(unseen_stays(bundle, cohort))
    with reporter.follow("building features") as progress:
        built = build_features(cohort, progress)
    with reporter.follow("scoring") as progress:
        predictions = predict(model, Dataset.whole(cohort, built), progress)
    suggested = suggest(predictions, n)
    if as_json:
        say_json([asdict(suggestion) for suggestion in suggested])
    else:
        suggestions_table(suggested)
