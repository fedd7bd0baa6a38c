"""Evaluates a bundle on files of stays: the whole of ``trainer evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import NO_FORECAST, Bundle
from streamer.bundles.manifest import FORECAST
from streamer.datasets.cohort import Cohort
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.split import Split, split_patients
from trainer.data.training_patients import seen_of
from trainer.decisions.predictions import Predictions, figures_of, predict
from trainer.errors import NothingToEvaluate
from trainer.forecast.baselines import Baselines
from trainer.forecast.figures import forecast_figures
from trainer.metrics.evaluation_json import Figures
from trainer.progress import Reporter

Patients: TypeAlias = Literal["all", "test"]


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
) -> Evaluation:
    """Scores stays and measures the predictions.

    Args:
        bundle: the model.
        paths: PhysioNet 2019 files or folders, with labels.
        reporter: shows the progress, and a warning when patients were seen in training.
        patients: all of them, or those of the test side of the bundle's own split.
        n_bootstrap: replicates for intervals, 0 for none.
        forecast: whether the forecast of vital signs is measured, too.

    Raises:
        BundleError: the bundle cannot be used.
        DataError: files that cannot be read.
        NothingToEvaluate: no patient is left, or the bundle has no forecast to measure.
    """
    model = build.build(bundle)
    if forecast and not bundle.has_forecast:
        raise NothingToEvaluate(f"bundle {bundle.shown_id}: {NO_FORECAST}")
    with reporter.follow("reading") as progress:
        cohort = load_cohort(paths, progress)
    stays = np.arange(len(cohort))
    if patients == "test":
        stays = held_out(bundle, cohort)
    elif warning := overlap_warning(bundle, cohort):
        reporter.say(warning)
    cohort = cohort.take(stays)
    with reporter.follow("building features") as progress:
        dataset = Dataset.whole(cohort, build_features(cohort, progress))
    with reporter.follow("scoring") as progress:
        predictions = predict(model, dataset, progress)
    with reporter.follow("intervals") as progress:
        figures = figures_of(predictions, model, bundle.model_id, n_bootstrap, progress)
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


def held_out(bundle: Bundle, cohort: Cohort) -> NDArray[np.int64]:
    """(n,) indices of the stays on the test side of the bundle's own split.

    Raises:
        NothingToEvaluate: there are none, or the bundle does not say how it was split.
    """
    stays = own_split(bundle, cohort).test
    if not len(stays):
        raise NothingToEvaluate("none of these patients is on the test side of the bundle's split")
    return stays


def own_split(bundle: Bundle, cohort: Cohort) -> Split:
    """The stays by the side that the bundle's own split puts them on.

    Raises:
        NothingToEvaluate: the bundle does not say how it was split.
    """
    split = bundle.manifest.get("split")
    if not isinstance(split, dict):
        raise NothingToEvaluate("this bundle does not say how its patients were split")
    low, middle, high = split["fractions"]
    return split_patients(cohort.patient_ids, split["salt"], (low, middle, high))


def overlap_warning(bundle: Bundle, cohort: Cohort) -> str | None:
    """A warning where the bundle was fitted on some of these patients, else ``None``."""
    n = n_seen(bundle, cohort)
    if n is None:
        seen = seen_of(bundle.manifest)
        if seen is not None and seen.is_locked:
            return (
                f"warning: bundle {bundle.shown_id} keeps the patients that it was fitted "
                "on under a key that is not here, so whether these are among them is unknown; set "
                "TRAINER_PATIENTS_KEY_FILE to the file of that key"
            )
        return "warning: this bundle does not say which patients it was fitted on"
    if not n:
        return None
    return (
        f"warning: bundle {bundle.shown_id} was fitted on {n} of these {len(cohort)} patients, so "
        "the figures flatter it; with --split test only patients that it was not fitted on count"
    )


def n_seen(bundle: Bundle, cohort: Cohort) -> int | None:
    """How many of these patients the bundle was fitted on, ``None`` where it does not tell us.

    0 where so few match that they can be false answers.
    """
    seen = seen_of(bundle.manifest)
    if seen is None or seen.is_locked:
        return None
    return seen.count_beyond_chance(cohort.patient_ids)
