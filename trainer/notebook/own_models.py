"""Models of any kind beside each other, by the rules of `trainer compare`.

A model is asked for one number an hour, which rises with the risk. Calibration and thresholds are
chosen on validation patients, figures are those of test patients: a hash of the patient says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort
from trainer.data.cohort import load_cohort
from trainer.data.known_stays import not_fitted_on
from trainer.data.split import split_patients
from trainer.decisions.operating_point import choose_operating_point
from trainer.errors import InputError
from trainer.metrics.bootstrap import paired_intervals
from trainer.metrics.calibration_error import logit
from trainer.metrics.definitions import Measure
from trainer.notebook.frames import as_file
from trainer.training.recipe import Recipe

if TYPE_CHECKING:
    from trainer.notebook.frames import DataFrame

    Scores: TypeAlias = DataFrame | NDArray[np.floating]

RISK_COLUMNS = ("risk", "risk_6h", "score")


class Predicts(Protocol):
    """Anything that scores stays."""

    def predict(self, stays: DataFrame, /) -> Scores:
        """A number for each row, or a table with ``risk``, and perhaps ``patient`` and ``hour``."""


def compare(
    models: Mapping[str, Predicts | Path | str],
    stays: DataFrame,
    *,
    n_bootstrap: int = 200,
) -> DataFrame:
    """Figures of several models on the same test patients.

    Args:
        models: by name; each has ``predict(stays)``, or is a file of scores (`.csv`, `.parquet`)
            with the columns ``patient``, ``hour`` (ICULOS) and ``risk``.
        stays: a row an hour, with labels. Patients of the training side are asked for as well, and
            count for nothing.
        n_bootstrap: replicates of the intervals of the utility above that of the first model.

    Returns:
        a row a model with every metric, ``threshold``, and ``utility_gain`` with its ends.

    Raises:
        InputError: scores that are not one finite number for each hour, or a bundle's model that
            was fitted on test patients.
    """
    import pandas as pd  # noqa: PLC0415

    recipe = Recipe()
    with as_file(stays) as file:
        cohort = load_cohort([file])
    split = split_patients(cohort.owners, recipe.salt, recipe.fractions)
    for name, model in models.items():
        _refuse_seen(name, model, cohort.take(split.test))
    measures: dict[str, Measure] = {}
    rows: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        rows_to_choose_on = cohort.rows_of(split.validation)
        scores = _as_log_odds(
            _in_order(_scores(model, stays), stays, cohort, name), rows_to_choose_on
        )
        side = cohort.take(split.validation)
        point, _ = choose_operating_point(scores[rows_to_choose_on], side, recipe.alert_budget)
        test = cohort.take(split.test)
        measures[name] = Measure(point.apply(test, scores[cohort.rows_of(split.test)]))
        rows[name] = {"threshold": point.threshold, **measures[name].figures()}
    first = next(iter(measures))
    for name, measure in measures.items():
        low, high = paired_intervals(measure, measures[first], n_bootstrap)["utility"]
        gain = rows[name]["utility"] - rows[first]["utility"]
        rows[name] |= {"utility_gain": gain, "utility_gain_low": low, "utility_gain_high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def _refuse_seen(name: str, model: object, test: Cohort) -> None:
    """A bundle knows whom it was fitted on: with another salt test patients may be among them."""
    bundle = getattr(model, "bundle", None)
    if not isinstance(bundle, Bundle):
        return
    if n_seen := len(test) - len(not_fitted_on(bundle.manifest, test, np.arange(len(test)))):
        raise InputError(
            f"{name} was fitted on {n_seen} of the {len(test)} test patients, so its figures would "
            "flatter it: models are compared by the split of `fit` without salt and fractions"
        )


def _scores(model: Predicts | Path | str, stays: DataFrame) -> Scores:
    import pandas as pd  # noqa: PLC0415

    if isinstance(model, Path | str):
        file = Path(model)
        if not file.is_file():
            raise InputError(f"{file}: there is no such file of scores")
        return pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    return model.predict(stays)


def _as_log_odds(scores: NDArray[np.float64], validation: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R,) the same order on the scale that calibration begins from, whatever the model's own is.

    Probabilities become log odds; anything else gets the spread 1 over the validation rows, since a
    line on heart rates would have to be flatter than calibration allows.
    """
    if scores.min() >= 0 and scores.max() <= 1:
        return logit(scores)
    middle, spread = float(scores[validation].mean()), float(scores[validation].std())
    return (scores - middle) / (spread or 1.0)


def _in_order(scores: Scores, stays: DataFrame, cohort: Cohort, name: str) -> NDArray[np.float64]:
    """(R,) the scores in the order of the cohort, which is sorted by patient."""
    patients, hours = stays["patient"].astype(str).tolist(), stays["ICULOS"].astype(int).tolist()
    numbers = scores
    if not isinstance(scores, np.ndarray) and hasattr(scores, "columns"):
        column = next((c for c in RISK_COLUMNS if c in scores.columns), None)
        if column is None:
            raise InputError(f"{name}: no column {', '.join(RISK_COLUMNS)} among its scores")
        if {"patient", "hour"} <= set(scores.columns):
            patients, hours = scores["patient"].astype(str).tolist(), scores["hour"].tolist()
        numbers = scores[column].to_numpy()
    values = np.asarray(numbers, np.float64).ravel()
    if len(values) != len(patients):
        raise InputError(f"{name}: {len(values):,} scores for {len(patients):,} hours")
    by_hour = dict(zip(zip(patients, map(int, hours), strict=True), values.tolist(), strict=True))
    names = np.repeat(np.array(cohort.patient_ids, object), cohort.lengths).tolist()
    wanted = zip(names, cohort.iculos.tolist(), strict=True)
    ordered = np.array([by_hour.get(hour, np.nan) for hour in wanted])
    if missing := int((~np.isfinite(ordered)).sum()):
        raise InputError(f"{name}: no finite score for {missing:,} of {len(ordered):,} hours")
    return ordered
