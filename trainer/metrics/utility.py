"""The official utility of the PhysioNet 2019 challenge, for all rows at once.

Reyna MA et al., Crit Care Med 48(2):210-217 (2020), and the challenge's scorer. With
``d`` = hours from onset, where onset is six rows after the first positive label:

=============  ===========================  =================  =====
stay, answer   d <= -6                      -6 < d <= 3        d > 3
=============  ===========================  =================  =====
septic, yes    max(d / 6 + 2, -0.05)        1/3 - d / 9        0
septic, no     0                            -4/3 - 2 d / 9     0
other, yes     -0.05                        -0.05              -0.05
other, no      0                            0                  0
=============  ===========================  =================  =====
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer.data.labels import hours_from_onset

DT_EARLY: Final = -12.0
DT_OPTIMAL: Final = -6.0
DT_LATE: Final = 3.0
MAX_TRUE_POSITIVE: Final = 1.0
MIN_FALSE_NEGATIVE: Final = -2.0
FALSE_POSITIVE: Final = -0.05

_RISE: Final = MAX_TRUE_POSITIVE / (DT_OPTIMAL - DT_EARLY)
_FALL: Final = -MAX_TRUE_POSITIVE / (DT_LATE - DT_OPTIMAL)
_MISS: Final = MIN_FALSE_NEGATIVE / (DT_LATE - DT_OPTIMAL)


def utility_table(label: NDArray[np.int8], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R, 2) the utility of each row for the answer no (column 0) and yes (column 1).

    The difference of the columns is a row's worth in training: its absolute value is the weight.

    >>> table = utility_table(np.array([0, 0], np.int8), np.array([0, 2]))
    >>> table.tolist()
    [[0.0, -0.05], [0.0, -0.05]]
    """
    hours = hours_from_onset(label, starts)
    septic = np.isfinite(hours)
    d = np.where(septic, hours, 0.0)
    early = d <= DT_OPTIMAL
    late = d > DT_LATE
    yes = np.where(
        early,
        np.maximum(_RISE * d - _RISE * DT_EARLY, FALSE_POSITIVE),
        np.where(late, 0.0, _FALL * d - _FALL * DT_LATE),
    )
    no = np.where(early | late, 0.0, _MISS * d - _MISS * DT_OPTIMAL)
    return np.column_stack([np.where(septic, no, 0.0), np.where(septic, yes, FALSE_POSITIVE)])


def hour_weights(
    label: NDArray[np.int8], starts: NDArray[np.int64], utility_weight: float
) -> NDArray[np.float32]:
    """(R,) the weight of each hour in training: 1, and more where the answer is worth more.

    ``1 + utility_weight * |dU|``, with dU the utility of a yes less that of a no. Weights of the
    label alone would leave the estimate a probability, up to a shift that calibration undoes. These
    depend on the hours from onset as well: the order of the estimates is drawn towards hours that
    are worth more, and calibration makes a risk of each estimate as it is.

    >>> hour_weights(np.array([0, 0], np.int8), np.array([0, 2]), 2.0).tolist()
    [1.100000023841858, 1.100000023841858]
    """
    table = utility_table(label, starts)
    weights = 1 + utility_weight * np.abs(table[:, 1] - table[:, 0])
    return weights.astype(np.float32)


def best_predictions(label: NDArray[np.int8], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(R,) the scorer's ideal: yes from 12 hours before onset to 3 hours after."""
    hours = hours_from_onset(label, starts)
    return np.asarray((hours >= DT_EARLY) & (hours <= DT_LATE))


@dataclass(frozen=True, slots=True)
class PatientUtility:
    """(N,) sums over the rows of each stay; weights of stays make a bootstrap replicate of them.

    Attributes:
        observed: utility of the predictions.
        best: utility of the ideal predictions.
        inaction: utility of no at every row.
    """

    observed: NDArray[np.float64]
    best: NDArray[np.float64]
    inaction: NDArray[np.float64]

    def normalized(self) -> float:
        """1 is the ideal, 0 is no at every row; NaN where no stay is septic.

        >>> one = np.ones(1)
        >>> PatientUtility(1.5 * one, 2 * one, 0 * one).normalized()
        0.75
        """
        span = float(self.best.sum() - self.inaction.sum())
        return float(self.observed.sum() - self.inaction.sum()) / span if span else float("nan")


def patient_utility(
    label: NDArray[np.int8], starts: NDArray[np.int64], positive: NDArray[np.bool_]
) -> PatientUtility:
    """Sums the utility by stay: of these predictions, of the ideal ones, and of no at every row.

    Args:
        label: (R,) the challenge's SepsisLabel.
        starts: (N + 1,) row offsets of the stays.
        positive: (R,) the prediction of each row.
    """
    table = utility_table(label, starts)

    def total(answer: NDArray[np.bool_]) -> NDArray[np.float64]:
        rows = np.where(answer, table[:, 1], table[:, 0])
        sums: NDArray[np.float64] = np.add.reduceat(rows, starts[:-1])
        return sums

    return PatientUtility(
        total(positive), total(best_predictions(label, starts)), total(np.zeros(len(label), bool))
    )


def normalized_utility(
    label: NDArray[np.int8], starts: NDArray[np.int64], positive: NDArray[np.bool_]
) -> float:
    """The challenge's score: summed over all rows of all stays, then one ratio.

    >>> label, starts = np.array([0, 1, 1, 0], np.int8), np.array([0, 3, 4])
    >>> normalized_utility(label, starts, np.zeros(4, bool))
    0.0
    """
    return patient_utility(label, starts, positive).normalized()
