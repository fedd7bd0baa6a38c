"""Figures of the variables and labels of a cohort, to be laid beside those of the public data."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.cleaning import clean
from streamer.datasets.cohort import Cohort
from trainer.data.public_2019 import StayFigures, VariableFigures

QUANTILES: Final = (0.01, 0.25, 0.5, 0.75, 0.99)


def variable_figures(cohort: Cohort) -> dict[str, VariableFigures]:
    """The figures of each variable by its name; quantiles are NaN where nothing was kept."""
    kept = clean(cohort.values, cohort.variables)
    is_first = np.zeros(cohort.n_rows, np.bool_)
    is_first[cohort.starts[:-1]] = True
    return {
        name: _figures(cohort.values[:, i], kept[:, i], is_first)
        for i, name in enumerate(cohort.variables.names)
    }


def _figures(
    raw: NDArray[np.float32], kept: NDArray[np.float32], is_first: NDArray[np.bool_]
) -> VariableFigures:
    known = ~np.isnan(raw)
    values = raw[known]
    n = len(values)
    again = known[1:] & known[:-1] & ~is_first[1:]
    counts = np.unique(values, return_counts=True)[1] if n else np.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing there are no quantiles
        quantiles = np.nanquantile(kept, QUANTILES).tolist()
    return {
        "present": _rounded(float(known.mean())),
        "dropped": _share(int(np.isnan(kept[known]).sum()), n),
        "zeros": _share(int((values == 0).sum()), n),
        "commonest": _share(int(counts.max()), n),
        "repeated": _share(int((raw[1:] == raw[:-1])[again].sum()), int(again.sum())),
        "quantiles": [_rounded(value) for value in quantiles],
    }


def stay_figures(cohort: Cohort) -> StayFigures:
    """The figures of stays and labels."""
    septic = cohort.septic
    positive = np.add.reduceat((cohort.label == 1).astype(np.int64), cohort.starts[:-1])[septic]
    from_start = cohort.label[cohort.starts[:-1]][septic] == 1
    return {
        "n_patients": len(cohort),
        "septic": _rounded(float(septic.mean())),
        "hours_median": float(np.median(cohort.lengths)),
        "positive_hours_median": float(np.median(positive)) if len(positive) else 0.0,
        "positive_from_start": _rounded(float(from_start.mean())) if len(positive) else 0.0,
        "starts_late": _rounded(float((cohort.iculos[cohort.starts[:-1]] > 1).mean())),
    }


def _share(part: int, whole: int) -> float:
    return _rounded(part / whole) if whole else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
