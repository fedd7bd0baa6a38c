"""Errors of the forecasts beside those of the baselines, with intervals by patients."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.core.forecast import FORECAST_VITALS, HOURS, LEVELS
from streamer.core.model import Model
from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Progress
from trainer.data.dataset import Dataset
from trainer.forecast.baselines import NAMES, Baselines
from trainer.forecast.hours import Floats, Future, outputs
from trainer.metrics.bootstrap import DEFAULT_SEED, TAILS, resamples
from trainer.metrics.definitions import numbered

ForecastFigures: TypeAlias = dict[str, Any]
"""``hours``, the hours ahead, and by vital sign its figures, each a list by hour."""

Sums: TypeAlias = dict[str, NDArray[np.float64]]

SHARES: Final = tuple(f"less_than_{name}_ci" for name in NAMES)
_DIGITS: Final = 4
_STAYS: Final = 256  # at once: of 10,000 hours the quantiles are 4 MB


def forecast_figures(
    model: Model,
    baselines: Baselines,
    dataset: Dataset,
    n_bootstrap: int = 0,
    progress: Progress | None = None,
) -> ForecastFigures:
    """The object under ``forecast`` of ``trainer evaluate --forecast --json``.

    Every figure is a list by hour: ``mae`` of the median, ``mae_<baseline>`` of each of ``NAMES``,
    ``coverage`` and ``width`` of the interval, ``pinball`` summed over levels; with replicates the
    intervals ``mae_minus_<baseline>_ci``, and ``less_than_<baseline>_ci`` of the share by which the
    error is below the baseline's, both drawn with the same persons. A forecast counts
    where the vital sign was known and was measured in that later hour.

    Args:
        model: with a forecast head.
        baselines: fitted on its training patients.
        dataset: the stays that count.
        n_bootstrap: replicates of the intervals, paired by patient; 0 for none.
        progress: called with stays done and stays in all.
    """
    sums = _sums_by_stay(model, baselines, dataset, progress)
    means = _means(sums, np.ones(len(dataset.stays)))
    figures: ForecastFigures = {"hours": list(HOURS)}
    for vital, name in enumerate(FORECAST_VITALS):
        figures[name] = {"unit": VARIABLES[INDEX[name]].ucum}
        figures[name]["n"] = sums["n"].sum(axis=0)[vital].astype(int).tolist()
        figures[name] |= {key: _listed(value[vital]) for key, value in means.items()}
    for interval, ends in _paired(sums, n_bootstrap, numbered(dataset.part.owners)).items():
        for vital, name in enumerate(FORECAST_VITALS):
            figures[name][interval] = [_listed(pair) for pair in ends[vital]]
    return figures


def as_kept(figures: ForecastFigures) -> ForecastFigures:
    """The figures that a manifest keeps: without the intervals of shares.

    Equal fits give equal bytes from version to version; ``trainer evaluate`` draws them anew.
    """
    return {
        name: {key: value for key, value in part.items() if key not in SHARES}
        if isinstance(part, dict)
        else part
        for name, part in figures.items()
    }


def _sums_by_stay(
    model: Model, baselines: Baselines, dataset: Dataset, progress: Progress | None
) -> Sums:
    """Errors and counts added up over the hours of each stay, ``(N, 5, 6)`` each."""
    cohort, built, stays = dataset.cohort, dataset.built, dataset.stays
    out = outputs(model.network, model.scaling, dataset)
    future, blocks = Future(cohort), list[Sums]()
    for first in range(0, len(stays), _STAYS):
        block = stays[first : first + _STAYS]
        rows = cohort.rows_of(block)
        starts = np.cumsum([0, *cohort.lengths[block][:-1]])
        quantiles = model.forecast(built[rows], out[rows]).astype(np.float64)
        hours = _by_hour(quantiles, future.after(rows), baselines.predict(built[rows]))
        blocks.append({name: np.add.reduceat(values, starts) for name, values in hours.items()})
        if progress is not None:
            progress(first + len(block), len(stays))
    return {name: np.concatenate([sums[name] for sums in blocks]) for name in blocks[0]}


def _by_hour(quantiles: NDArray[np.float64], target: Floats, others: Sums) -> Sums:
    """Counts and errors ``(n, 5, 6)`` of each hour, 0 where a forecast does not count.

    Args:
        quantiles: ``(n, 5, 6, 3)`` of the model.
        target: ``(n, 5, 6)``, NaN where nothing was measured.
        others: ``(n, 5, 6)`` the forecasts of each baseline.
    """
    low, median, high = np.moveaxis(quantiles, -1, 0)
    known = ~(np.isnan(target) | np.isnan(median))
    gap = target[..., None] - quantiles
    levels = np.array(LEVELS)
    values = {
        "mae": np.abs(target - median),
        **{f"mae_{name}": np.abs(target - others[name]) for name in NAMES},
        "coverage": (low <= target) & (target <= high),
        "width": high - low,
        "pinball": np.maximum(levels * gap, (levels - 1) * gap).sum(axis=-1),
    }
    counted = {name: np.where(known, value, 0.0) for name, value in values.items()}
    return {"n": known.astype(np.float64), **counted}


def _means(sums: Sums, weight: NDArray[np.float64]) -> Sums:
    """The figures ``(5, 6)`` when each stay counts so many times; NaN where there is none."""
    totals = {name: np.tensordot(weight, by_stay, 1) for name, by_stay in sums.items()}
    n = np.where(totals["n"] > 0, totals["n"], np.nan)
    return {name: total / n for name, total in totals.items() if name != "n"}


def _paired(sums: Sums, n_bootstrap: int, person: NDArray[np.int64]) -> Sums:
    """By name the intervals ``(5, 6, 2)`` of our error against a baseline's, over persons."""
    if not n_bootstrap:
        return {}
    wanted = {name: sums[name] for name in ("n", "mae", *(f"mae_{other}" for other in NAMES))}
    weights = resamples(int(person.max()) + 1, n_bootstrap, DEFAULT_SEED)
    drawn = [_means(wanted, weight[person]) for weight in weights]
    mine = np.array([means["mae"] for means in drawn])
    intervals = {}
    for other in NAMES:
        theirs = np.array([means[f"mae_{other}"] for means in drawn])
        share = 1 - mine / np.where(theirs > 0, theirs, np.nan)
        for name, values in (("mae_minus", mine - theirs), ("less_than", share)):
            ends = np.quantile(values, TAILS, axis=0)
            intervals[f"{name}_{other}_ci"] = np.moveaxis(ends, 0, -1)
    return intervals


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), _DIGITS) for value in values]
