"""How far forecasts were off, beside what they have to beat; intervals by patients."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.forecast import FORECAST_VITALS, HOURS, LEVELS
from streamer.core.model import Model
from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import Cohort, Progress
from trainer.forecast.baselines import NAMES, Baselines
from trainer.forecast.hours import Floats, Future, Rows, outputs
from trainer.metrics.bootstrap import DEFAULT_SEED, TAILS, resamples

Sums = dict[str, NDArray[np.float64]]

_DIGITS: Final = 4
_STAYS: Final = 256  # at once: of 10,000 hours the quantiles are 4 MB


def forecast_figures(
    model: Model,
    baselines: Baselines,
    cohort: Cohort,
    built: Floats,
    stays: Rows,
    n_bootstrap: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The object under ``forecast`` of ``trainer evaluate --forecast --json``.

    Every figure is a list by hour: ``mae`` of the median, ``mae_<baseline>`` of each of ``NAMES``,
    ``coverage`` and ``width`` of the interval, ``pinball`` summed over levels. A forecast counts
    where the vital sign was known and was measured in that later hour.

    Args:
        model: with a forecast head.
        baselines: fitted on its training patients.
        cohort: the stays.
        built: (R, F) their raw features.
        stays: which ones count.
        n_bootstrap: replicates for ``mae_minus_<baseline>_ci``, paired by patient; 0 for none.
        progress: called with stays done and stays in all.
    """
    sums = _sums_by_stay(model, baselines, cohort, built, stays, progress)
    figures = _means(sums, np.ones(len(stays)))
    found: dict[str, Any] = {"hours": list(HOURS)}
    for place, name in enumerate(FORECAST_VITALS):
        found[name] = {"unit": VARIABLES[INDEX[name]].ucum}
        found[name]["n"] = sums["n"].sum(axis=0)[place].astype(int).tolist()
        found[name] |= {key: _listed(value[place]) for key, value in figures.items()}
    for other, ends in _paired(sums, n_bootstrap).items():
        for place, name in enumerate(FORECAST_VITALS):
            found[name][f"mae_minus_{other}_ci"] = [_listed(pair) for pair in ends[place]]
    return found


def _sums_by_stay(
    model: Model,
    baselines: Baselines,
    cohort: Cohort,
    built: Floats,
    stays: Rows,
    progress: Progress | None,
) -> Sums:
    """Errors and counts added up over the hours of each stay, ``(N, 5, 6)`` each."""
    out = outputs(model.network, model.scaling, cohort, built, stays)
    future, blocks = Future(cohort), list[Sums]()
    for first in range(0, len(stays), _STAYS):
        block = stays[first : first + _STAYS]
        rows = cohort.rows_of(block)
        starts = np.cumsum([0, *cohort.lengths[block][:-1]])
        quantiles = model.forecast(built[rows], out[rows]).astype(np.float64)
        hours = _by_hour(quantiles, future.after(rows), baselines.predict(built[rows]))
        blocks.append({name: np.add.reduceat(each, starts) for name, each in hours.items()})
        if progress is not None:
            progress(first + len(block), len(stays))
    return {name: np.concatenate([each[name] for each in blocks]) for name in blocks[0]}


def _by_hour(quantiles: NDArray[np.float64], target: Floats, others: Sums) -> Sums:
    low, median, high = np.moveaxis(quantiles, -1, 0)
    known = ~(np.isnan(target) | np.isnan(median))
    gap = target[..., None] - quantiles
    levels = np.array(LEVELS)
    found = {
        "mae": np.abs(target - median),
        **{f"mae_{name}": np.abs(target - others[name]) for name in NAMES},
        "coverage": (low <= target) & (target <= high),
        "width": high - low,
        "pinball": np.maximum(levels * gap, (levels - 1) * gap).sum(axis=-1),
    }
    counted = {name: np.where(known, value, 0.0) for name, value in found.items()}
    return {"n": known.astype(np.float64), **counted}


def _means(sums: Sums, weight: NDArray[np.float64]) -> Sums:
    """The figures ``(5, 6)`` when each stay counts so many times; NaN where there is none."""
    totals = {name: np.tensordot(weight, each, 1) for name, each in sums.items()}
    n = np.where(totals["n"] > 0, totals["n"], np.nan)
    return {name: total / n for name, total in totals.items() if name != "n"}


def _paired(sums: Sums, n_bootstrap: int) -> Sums:
    """The intervals ``(5, 6, 2)`` of our error minus that of each baseline."""
    if not n_bootstrap:
        return {}
    wanted = {name: sums[name] for name in ("n", "mae", *(f"mae_{other}" for other in NAMES))}
    weights = resamples(len(sums["n"]), n_bootstrap, DEFAULT_SEED)
    drawn = [_means(wanted, weight) for weight in weights]
    return {
        other: np.moveaxis(
            np.quantile([d["mae"] - d[f"mae_{other}"] for d in drawn], TAILS, axis=0),
            0,
            -1,
        )
        for other in NAMES
    }


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), _DIGITS) for value in values]
