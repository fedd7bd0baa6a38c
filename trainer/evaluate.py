"""Evaluates a bundle on files of stays: the whole of ``trainer evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import NO_FORECAST, Bundle
from streamer.bundles.manifest import FORECAST, Figures
from streamer.datasets.cohort import Cohort
from streamer.datasets.task import Task, parse_task
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.known_stays import KnownStays, known_stays
from trainer.data.split import Split
from trainer.data.split_rules import SplitRule, rule_of
from trainer.data.training_patients import seen_of
from trainer.decisions.predictions import Predictions, figures_of, predict
from trainer.errors import NothingToEvaluate
from trainer.forecast.baselines import Baselines
from trainer.forecast.figures import forecast_figures
from trainer.progress import Reporter

Patients: TypeAlias = Literal["all", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        figures: the object of ``trainer evaluate --json``.
        predictions: risks and decisions, row by row.
    """

    figures: Figures
    predictions: Predictions


def evaluate(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    reporter: Reporter,
    patients: Patients = "all",
    n_bootstrap: int = 0,
    forecast: bool = False,
    rule: SplitRule | None = None,
) -> Evaluation:
    """Scores stays and measures the predictions.

    Args:
        bundle: the model.
        paths: PhysioNet 2019 files or folders, with labels.
        reporter: shows the progress, and a warning when patients were seen in training.
        patients: all of them, or those of the validation or test side of the bundle's own split.
        n_bootstrap: replicates for intervals, 0 for none.
        forecast: whether the forecast of vital signs is measured, too.
        rule: of the split, instead of the bundle's own.

    Raises:
        BundleError: the bundle cannot be used.
        DataError: files that cannot be read.
        NothingToEvaluate: no patient is left, or the bundle has no forecast to measure.
    """
    model = build.build(bundle)
    if forecast and not bundle.has_forecast:
        raise NothingToEvaluate(f"bundle {bundle.shown_id}: {NO_FORECAST}")
    with reporter.follow("reading") as progress:
        cohort = load_cohort(paths, progress, task_of(bundle))
    measured_on, how = who_counts(bundle, cohort, patients, rule)
    if how.startswith("warning") or patients != "all":
        reporter.say(how)
    cohort = cohort.take(measured_on)
    with reporter.follow("building features") as progress:
        dataset = Dataset.whole(cohort, build_features(cohort, progress))
    with reporter.follow("scoring") as progress:
        predictions = predict(model, dataset, progress)
    with reporter.follow("intervals") as progress:
        figures = figures_of(predictions, model, bundle.model_id, n_bootstrap, progress)
    figures["patients"] = how
    if forecast:
        with reporter.follow("forecast") as progress:
            baselines = bundle.manifest["metrics"][FORECAST]["baselines"]
            figures[FORECAST] = forecast_figures(
                model,
                Baselines.from_json(baselines),
                dataset,
                n_bootstrap,
                progress,
            )
    return Evaluation(figures, predictions)


def who_counts(
    bundle: Bundle, cohort: Cohort, patients: Patients, rule: SplitRule | None = None
) -> tuple[NDArray[np.int64], str]:
    """(n,) indices of the stays to measure on, and a sentence that says how they were found.

    Raises:
        NothingToEvaluate: nobody is left, or the bundle does not say how it was split.
    """
    known = known_stays(bundle.manifest, cohort)
    if patients == "all":
        return np.arange(len(cohort)), overlap_warning(bundle, cohort, known) or (
            f"all {len(cohort)} stays; bundle {bundle.shown_id} was fitted on none of them, "
            f"by {_known_by(known)}{_alike(known)}"
        )
    stays = own_split(bundle, cohort, rule=rule).side(patients)
    rule = rule or rule_of(bundle.manifest.get("split"))
    if not len(stays):
        raise NothingToEvaluate(
            f"none of these patients is on the {patients} side of the bundle's split"
        )
    how = f"{patients} side of the bundle's split, {rule.words}: {len(stays)} stays"
    if patients == "validation":
        return stays, f"{how}, which its calibration and thresholds were chosen on"
    if bundle.manifest.get("split", {}).get("decided"):
        how += ", without those who decided on its promotion"
    if known is None:
        return stays, f"{how}; which patients the bundle was fitted on is unknown here"
    seen = known.among(stays)
    if seen.any():
        renamed = known.under_other_ids[stays][seen].all()
        how += f"; {seen.sum()} of them left out, since the bundle was fitted on " + (
            "the same stays under other ids" if renamed else "them"
        )
    if seen.all():
        raise NothingToEvaluate(f"{how}: nobody is left")
    return stays[~seen], f"{how}; nobody it was fitted on, by {_known_by(known)}{_alike(known)}"


def _known_by(known: KnownStays | None) -> str:
    return "id alone" if known is None or known.by_content is None else "id and content"


def _alike(known: KnownStays | None) -> str:
    """A note where ids agree and nothing else does."""
    if known is None or not known.ids_alike:
        return ""
    return (
        f" ({known.by_id.sum()} ids are written as those of its training patients, but the stays "
        "are others)"
    )


def own_split(bundle: Bundle, cohort: Cohort, *, rule: SplitRule | None = None) -> Split:
    """The stays by the side that the bundle's own split puts them on.

    Args:
        bundle: keeps the rule of its split.
        cohort: the stays.
        rule: instead of the bundle's own.

    Raises:
        NothingToEvaluate: the bundle does not say how it was split.
    """
    kept = bundle.manifest.get("split")
    sides = (rule or rule_of(kept)).split(cohort)
    if isinstance(kept, dict) and kept.get("decided"):
        sides = replace(sides, test=sides.deciding_apart(cohort.owners, kept["salt"])[0])
    return sides


def overlap_warning(bundle: Bundle, cohort: Cohort, known: KnownStays | None) -> str | None:
    """A warning where the bundle was fitted on some of these patients, else ``None``.

    Args:
        bundle: the model.
        cohort: the stays.
        known: those that it was fitted on.
    """
    if known is None:
        seen = seen_of(bundle.manifest)
        if seen is not None:
            return (
                f"warning: bundle {bundle.shown_id} keeps the patients that it was fitted "
                "on under a key that is not here, so whether these are among them is unknown; set "
                "TRAINER_PATIENTS_KEY_FILE to the file of that key"
            )
        return "warning: this bundle does not say which patients it was fitted on"
    n = known.beyond_chance(known.seen)
    if not n:
        return None
    renamed = int(known.under_other_ids.sum())
    return (
        f"warning: bundle {bundle.shown_id} was fitted on {n} of these {len(cohort)} patients"
        + f" ({renamed} under other ids, known by their content)" * bool(renamed)
        + ", so the figures flatter it; with --split test only patients that it was not fitted on "
        "count"
    )


def task_of(bundle: Bundle) -> Task | None:
    """The task of a bundle; ``None``: the shipped one.

    Raises:
        DataError: it is not a task of this version.
    """
    part = bundle.manifest.get("task")
    return None if part is None else parse_task(part, f"the task of bundle {bundle.shown_id}")


def n_seen(bundle: Bundle, cohort: Cohort) -> int | None:
    """How many of these patients the bundle was fitted on, ``None`` where it does not tell us.

    0 where so few match that they can be false answers.
    """
    known = known_stays(bundle.manifest, cohort)
    return None if known is None else known.beyond_chance(known.seen)
