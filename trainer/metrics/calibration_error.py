"""Calibration of risks: the expected calibration error and the calibration line."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ECE_BINS: Final = 20
"""Equal-mass bins of the expected calibration error. With 2 % positives the lowest bins hold
next to none; more bins would measure noise, ten would hide the upper end in one bin."""

TINIEST_RISK: Final = 1e-7
"""Risks are written with seven decimals: for its logit, a 0 or 1 is moved inwards by this much."""

_MOST_STEPS: Final = 100  # Newton takes under 10 on any data that has a solution
_STEEPEST: Final = 1e6  # no line that was fitted to probabilities comes near


def logit(risk: NDArray[np.floating]) -> NDArray[np.float64]:
    """(R,) log odds, finite also for a risk that was rounded to 0 or 1."""
    inside = np.clip(risk.astype(np.float64), TINIEST_RISK, 1 - TINIEST_RISK)
    return np.log(inside) - np.log1p(-inside)


def mass_bins(risk: NDArray[np.floating], n_bins: int = ECE_BINS) -> NDArray[np.int64]:
    """(R,) bin of each risk, 0 the lowest; bins hold equally many, equal risks share a bin."""
    edges = np.quantile(risk, np.arange(1, n_bins) / n_bins, method="higher")
    return np.searchsorted(np.unique(edges), risk, side="right")


def expected_calibration_error(
    label: NDArray[np.integer], risk: NDArray[np.floating], n_bins: int = ECE_BINS
) -> float:
    """Mean over all rows of |mean risk - share of positives| of the row's bin.

    >>> expected_calibration_error(np.array([0, 1]), np.array([0.25, 0.75]), n_bins=2)
    0.25
    """
    gap = np.bincount(mass_bins(risk, n_bins), weights=risk - label, minlength=n_bins)
    return float(np.abs(gap).sum() / len(risk))


def reliability_points(
    label: NDArray[np.integer], risk: NDArray[np.floating], n_bins: int = ECE_BINS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(bins,) mean risk and share of positives of each bin that holds any row."""
    bins = mass_bins(risk, n_bins)
    n = np.bincount(bins)
    kept = n > 0
    mean = np.bincount(bins, weights=risk)[kept] / n[kept]
    share = np.bincount(bins, weights=label)[kept] / n[kept]
    return mean, share


def logistic_line(
    x: NDArray[np.float64], label: NDArray[np.integer], prior_weight: float = 0.0
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of a label on one number.

    Newton's method with step halving, from the line of slope 1. Both are NaN where the likelihood
    has no maximum: one class only, or classes that a threshold separates.

    Args:
        x: (R,) such as the logit of a risk.
        label: (R,) 0 or 1.
        prior_weight: precision of a normal prior on the slope around 1. Above 0 it gives
            separated classes a finite slope; 1 is negligible beside a few hundred positives.
    """
    y = label.astype(np.float64)
    if y.min() == y.max():
        return np.nan, np.nan

    def loss(line: NDArray[np.float64]) -> float:
        z = line[0] * x + line[1]
        return float(np.sum(np.logaddexp(0, z) - y * z) + prior_weight / 2 * (line[0] - 1) ** 2)

    line = np.array([1.0, 0.0])
    now = loss(line)
    for _ in range(_MOST_STEPS):
        score, information = score_and_information(x, y, line)
        gradient = score.sum(axis=0) - prior_weight * np.array([line[0] - 1, 0])
        curvature = information.sum(axis=0) + prior_weight * np.diag([1.0, 0])
        try:
            step = np.linalg.solve(curvature, gradient)
        except np.linalg.LinAlgError:
            return np.nan, np.nan
        size = 1.0
        while size > 1e-6 and not (after := loss(line + size * step)) <= now:
            size /= 2
        line = line + size * step
        if np.abs(step).max() < 1e-10 or size <= 1e-6:
            # At the optimum rounding may forbid any more descent; a large step means divergence.
            return (
                (float(line[0]), float(line[1])) if np.abs(step).max() < 1e-4 else (np.nan, np.nan)
            )
        now = after
    return np.nan, np.nan


def score_and_information(
    x: NDArray[np.float64], y: NDArray[np.float64], line: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(R, 2) gradient and (R, 2, 2) information of each row's log likelihood at a line."""
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-(line[0] * x + line[1])))
    design = np.column_stack([x, np.ones_like(x)])
    information = (p * (1 - p))[:, None, None] * design[:, :, None] * design[:, None, :]
    return (y - p)[:, None] * design, information


def newton_step(x: Floats, y: Floats, weight: Floats, line: Floats) -> Floats:
    """One step of the weighted logistic regression, ``(2,)`` slope and intercept after it.

    Raises:
        numpy.linalg.LinAlgError: the weighted rows do not determine a line.
    """
    if not np.abs(line).max() < _STEEPEST:
        raise np.linalg.LinAlgError("the classes are separated: the steps before this one diverge")
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-(line[0] * x + line[1])))
    residual, variance = weight * (y - p), weight * p * (1 - p)
    along = variance * x
    curvature = np.array([[along @ x, along.sum()], [along.sum(), variance.sum()]])
    gradient = np.array([residual @ x, residual.sum()])
    return np.asarray(line + np.linalg.solve(curvature, gradient))
