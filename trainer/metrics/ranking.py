"""Ranking quality of risks: the areas under the curves, exact with ties and with weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranks:
    """The result of ``Ranking.weigh``; NaN where there is no positive or no negative.

    Attributes:
        auroc: area under the ROC curve; a tie counts one half.
        auprc: average precision, step-wise as in the challenge's scorer.
        ppv: precision at the highest threshold that reaches the sensitivity asked for.
    """

    auroc: float
    auprc: float
    ppv: float


class Ranking:
    """Items sorted by risk once, to be weighed many times (a bootstrap replicate is weights).

    Args:
        label: (R,) true or 1 where positive.
        risk: (R,) any order-preserving score.
        group: (R,) index of an item's weight, such as that of its stay.

    >>> Ranking(np.array([0, 1, 0, 1]), np.array([.1, .4, .4, .8]), np.arange(4)).weigh(np.ones(4))
    Ranks(auroc=0.875, auprc=0.8333333333333333, ppv=0.6666666666666666)
    """

    def __init__(
        self,
        label: NDArray[np.integer] | NDArray[np.bool_],
        risk: NDArray[np.floating],
        group: NDArray[np.integer],
    ) -> None:
        order = np.argsort(-risk, kind="stable")
        falling = risk[order]
        self._group = group[order]
        self._positive = np.flatnonzero(label[order] == 1)
        first = np.flatnonzero(np.diff(falling, prepend=np.inf) != 0)  # row of each run of ties
        run = np.searchsorted(first, self._positive, side="right") - 1
        # Only ties that hold a positive matter for any of the figures: 2 % of all rows.
        runs, self._first_positive = np.unique(run, return_index=True)
        self._start = first[runs]
        self._end = np.append(first, len(risk))[runs + 1]

    def weigh(self, weight: NDArray[np.floating], sensitivity: float = 0.8) -> Ranks:
        """The figures when each item counts as often as its group's weight says.

        Args:
            weight: one for each group.
            sensitivity: share of the positives at which the precision is taken.
        """
        weights = weight[self._group]
        so_far = np.concatenate([[0.0], np.cumsum(weights)])
        if not len(self._positive):
            return Ranks(np.nan, np.nan, np.nan)
        in_run = np.add.reduceat(weights[self._positive], self._first_positive)
        true = np.cumsum(in_run)
        n_positive, n_negative = true[-1], so_far[-1] - true[-1]
        if n_positive <= 0 or n_negative <= 0:
            return Ranks(np.nan, np.nan, np.nan)
        called = so_far[self._end]
        false_above = so_far[self._start] - (true - in_run)
        below = n_negative - (false_above + (called - true)) / 2
        precision = true / np.where(called > 0, called, 1)
        reached = int(np.searchsorted(true, sensitivity * n_positive))
        return Ranks(
            float((in_run * below).sum() / (n_positive * n_negative)),
            float((in_run * precision).sum() / n_positive),
            float(precision[reached]),
        )


def auroc(label: NDArray[np.integer], risk: NDArray[np.floating]) -> float:
    """Area under the ROC curve of (R,) labels and scores, exact; NaN with one class only."""
    return Ranking(label, risk, np.zeros(len(risk), np.int64)).weigh(np.ones(1)).auroc


def auprc(label: NDArray[np.integer], risk: NDArray[np.floating]) -> float:
    """Average precision of (R,) labels and scores; NaN with one class only."""
    return Ranking(label, risk, np.zeros(len(risk), np.int64)).weigh(np.ones(1)).auprc


@dataclass(frozen=True, slots=True)
class Curve:
    """The ROC and precision-recall curves, by falling threshold: from it up a risk is positive.

    Attributes:
        threshold: (K,) the distinct risks.
        sensitivity: (K,) true positive rate.
        false_positive_rate: (K,) one minus specificity.
        precision: (K,) positive predictive value.
    """

    threshold: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]
    precision: NDArray[np.float64]


def curve(label: NDArray[np.integer], risk: NDArray[np.floating]) -> Curve:
    """All points of the ROC and precision-recall curves; both classes must be there."""
    order = np.argsort(-risk, kind="stable")
    falling = risk[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(risk) - 1)
    true = np.cumsum(label[order] == 1)[ends]
    false = ends + 1 - true
    return Curve(
        falling[ends].astype(np.float64), true / true[-1], false / false[-1], true / (ends + 1)
    )
