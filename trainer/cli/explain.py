"""`trainer explain`."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

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
from trainer.errors import InputError
from trainer.explain.measurement_arg import Followed, parse
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.explain.explanation import Explanation
    from trainer.progress import Reporter

_LONGEST_NAME: Final = 50  # characters of up to 4 bytes; a file name has at most 255 bytes


def explain(
    patient: Annotated[
        str | None, typer.Argument(help="Whose stay. Without it, some to look at are named.")
    ] = None,
    data: Data = None,
    model: Model = SHIPPED,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Picture of the stay; FILE-influence.png is written beside it. "
            "Default: PATIENT.png here, and no picture with --json.",
        ),
    ] = None,
    follow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIABLE[@HOUR]",
            help="Whose influence to follow, as lactate or lactate@30; repeatable. "
            "Default: what adds most at the peak of the risk.",
        ),
    ] = None,
    suggest: Annotated[
        int, typer.Option(min=1, help="Without PATIENT: so many stays of each kind.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead.")] = False,
    threads: Threads = None,
) -> None:
    """Draws one stay: what the model saw, what it said, why, and for how long a value counts.

    The first picture has measurements, risks and alerts, the contribution of each variable, and
    the gates and cell state of the LSTM, over the hours of the stay. The second takes single
    measurements out and shows how the risk of each later hour changes, and whether that comes by
    the features or by the LSTM's state.

    Drugs are no input of the risk model, as the PhysioNet 2019 data has none.

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
            faults.append(f"--out {out}: is a folder, not a picture")
    if patient is None and (out or follow):
        faults.append("--out and --follow need a PATIENT")
    followed = []
    for words in follow or []:
        try:
            followed.append(parse(words))
        except InputError as error:
            faults.append(f"--follow {words}: {error}")
    refuse(faults)

    from trainer.progress import Reporter  # noqa: PLC0415

    use_threads(threads, settings)
    if patient is None:
        _suggest(paths, model, suggest, as_json, Reporter())
        return
    picture = out or (None if as_json else _picture_of(patient))
    _explain(patient, paths, model, followed, picture, as_json, Reporter())


def _picture_of(patient: str) -> Path:
    """A file here, whatever an id has in it: ids may hold slashes, and 128 characters of any kind.

    >>> _picture_of("ward 3/p.7").name
    'ward_3_p.7.png'
    """
    return Path(re.sub(r"[^\w.-]", "_", patient)[:_LONGEST_NAME] + ".png")


def _explain(
    patient: str,
    paths: list[Path],
    folder: Path,
    follow: list[Followed],
    picture: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> None:
    from streamer.bundles import build  # noqa: PLC0415
    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from streamer.datasets.physionet2019 import read_2019  # noqa: PLC0415
    from trainer.data.training_patients import seen_of  # noqa: PLC0415
    from trainer.explain import explanation, text  # noqa: PLC0415

    bundle = bundles.load(folder)
    model = build.build(bundle)
    with reporter.follow("reading") as progress:
        cohort = read_2019(paths, need_label=False, progress=progress)
    stay = cohort.take([explanation.place_of(patient, cohort.patient_ids)])
    seen = seen_of(bundle.manifest)
    if seen is not None and patient in seen:
        reporter.say(
            f"note: bundle {bundle.model_id} was made with the help of {patient} (fitted on, or "
            "used to choose), which may flatter what is shown"
        )
    found = explanation.explain(model, stay, follow)
    drawn = [] if picture is None else _draw(found, picture)
    if as_json:
        said = {**text.as_object(found), "pictures": list(map(str, drawn))}
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        lines = [*text.reading(found), f"Drawn: {', '.join(map(str, drawn))}"]
        sys.stdout.write("\n".join(lines) + "\n")


def _draw(found: Explanation, picture: Path) -> list[Path]:
    try:
        from trainer.explain import plots  # noqa: PLC0415
    except ImportError as error:
        raise InputError(
            "pictures need Matplotlib: pip install 'vigil-icu[train]', or --json without --out"
        ) from error

    beside = picture.with_stem(f"{picture.stem}-influence")
    return [
        plots.write(plots.draw_stay(found), picture),
        plots.write(plots.draw_influences(found), beside),
    ]


def _suggest(paths: list[Path], folder: Path, n: int, as_json: bool, reporter: Reporter) -> None:

    from streamer.bundles import build  # noqa: PLC0415
    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.cli.tables import suggestions_table  # noqa: PLC0415
    from trainer.data.cohort import load_cohort  # noqa: PLC0415
    from trainer.data.dataset import Dataset, build_features  # noqa: PLC0415
    from trainer.decisions.predictions import predict  # noqa: PLC0415
    from trainer.explain import suggestions  # noqa: PLC0415

    bundle = bundles.load(folder)
    model = build.build(bundle)
    with reporter.follow("reading") as progress:
        cohort = load_cohort(paths, progress)
    cohort = cohort.take(suggestions.unseen_stays(bundle, cohort))
    with reporter.follow("building features") as progress:
        built = build_features(cohort, progress)
    with reporter.follow("scoring") as progress:
        predictions = predict(model, Dataset.whole(cohort, built), progress)
    found = [asdict(each) for each in suggestions.suggest(predictions, n)]
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        suggestions_table(found)
