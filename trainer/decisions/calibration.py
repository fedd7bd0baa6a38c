"""Calibration of one head on validation patients: from logit to calibrated logit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.calibration_error import logistic_line

Floats = NDArray[np.float64]

MOST_KNOTS: Final = 20
POSITIVES_PER_KNOT: Final = 50
"""Rows of one stay go together, so 50 positive hours are some 5 to 10 patients: fewer would let
one of them bend the curve."""

PRIOR_POSITIVES: Final = 10.0
"""The weight of the straight line in each bin, in positives: pulls a bin of few towards it."""

LEAST_SLOPE: Final = 0.1
"""The least slope of the map, as a share of the line's: the ranking stays strict, and a patient who
gets worse cannot vanish on a plateau."""

FLATTEST_LINE: Final = 0.05
"""The least slope of the line, even where the risks of a model do not rank at all."""

TAIL: Final = 5.0
"""Logits beyond the outermost bin, over which the map goes on with the slope of the line."""


def fit_platt(logits: Floats, label: NDArray[np.integer]) -> tuple[float, float]:
    """Slope and intercept of Platt scaling: ``calibrated = slope * logit + intercept``.

    Finite and rising whatever the data: with one class only it is a shift to the prevalence,
    counted with half a case more on each side.

    Args:
        logits: (R,) of the network.
        label: (R,) 0 or 1.
    """
    slope, intercept = logistic_line(logits, label, prior_weight=1.0)
    if np.isnan(slope):
        rate = (float(label.sum()) + 0.5) / (len(label) + 1)
        return 1.0, float(np.log(rate / (1 - rate)) - logits.mean())
    if slope < FLATTEST_LINE:
        rate = float(label.mean())
        return FLATTEST_LINE, float(np.log(rate / (1 - rate)) - FLATTEST_LINE * logits.mean())
    return slope, intercept


def fit_calibrator(logits: Floats, label: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Knots of a strictly rising, piecewise linear map from logit to calibrated logit.

    Platt's line, bent in up to 20 bins to the rates observed there (isotonic, so that the order of
    risks is kept). Bins hold equal shares of rows and positives
    together: fine where risks are high, and also where nearly all rows are.

    Args:
        logits: (R,) of the network, on patients it was not trained on.
        label: (R,) 0 or 1.

    Returns:
        (K,) knots and (K,) calibrated values, K >= 2, both strictly rising. Between knots the map
        is linear; outside of them it goes on with the slope of its last segment.
    """
    slope, intercept = fit_platt(logits, label)
    n_bins = min(MOST_KNOTS, int(label.sum()) // POSITIVES_PER_KNOT)
    if n_bins < 2:
        ends = np.array([logits.min() - TAIL, logits.max() + TAIL])
        return ends, slope * ends + intercept
    order = np.argsort(logits, kind="stable")
    line = slope * logits[order] + intercept
    y = label[order].astype(np.float64)
    share = (np.arange(1, len(y) + 1) / len(y) + np.cumsum(y) / y.sum()) / 2
    cut = np.searchsorted(share, np.arange(n_bins) / n_bins, side="right")
    cut = np.unique(np.searchsorted(line, line[cut]))  # equal logits share a bin
    n = np.diff(np.append(cut, len(y)))
    expected = np.add.reduceat(1 / (1 + np.exp(-line)), cut) / n
    # The prior is worth as many rows as hold PRIOR_POSITIVES at the line's rate.
    prior = PRIOR_POSITIVES / expected
    observed = (np.add.reduceat(y, cut) + prior * expected) / (n + prior)
    at = _logit(expected)
    certainty = (n + prior) * observed * (1 - observed)
    x, rising = _pool(at, _logit(observed) - LEAST_SLOPE * at, certainty)
    calibrated = rising + LEAST_SLOPE * x
    x = np.concatenate([[x[0] - slope * TAIL], x, [x[-1] + slope * TAIL]])
    calibrated = np.concatenate(
        [[calibrated[0] - slope * TAIL], calibrated, [calibrated[-1] + slope * TAIL]]
    )
    return (x - intercept) / slope, calibrated


def _pool(x: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Pool adjacent violators: means of neighbours until they rise; a pool is one knot."""
    pools: list[tuple[float, float, float]] = []
    for point in zip(x.tolist(), y.tolist(), weight.tolist(), strict=True):
        pool = point
        while pools and pools[-1][1] >= pool[1]:
            before = pools.pop()
            total = before[2] + pool[2]
            pool = (
                (before[0] * before[2] + pool[0] * pool[2]) / total,
                (before[1] * before[2] + pool[1] * pool[2]) / total,
                total,
            )
        pools.append(pool)
    return np.array([p[0] for p in pools]), np.array([p[1] for p in pools])


def _logit(p: Floats) -> Floats:
    return np.asarray(np.log(p) - np.log1p(-p))
