"""Labels of the three risk heads: onset within 6, 24 and 48 hours."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort

HORIZON_HOURS: Final = (6, 24, 48)
"""The heads, in order: soon, same day, next day."""

LABEL_LEAD_HOURS: Final = 6
"""The challenge's SepsisLabel turns to 1 this long before onset."""


def is_of_stay(cohort: Cohort) -> bool:
    """Whether the outcome is that of the whole stay: each hour has its label, and none an onset."""
    return cohort.task is not None and cohort.task.label.of == "stay"


def horizons_of(cohort: Cohort) -> tuple[int, ...]:
    """The horizons of the task by which stays were read."""
    return HORIZON_HOURS if cohort.task is None else cohort.task.horizons


def onset_rows(label: NDArray[np.int8], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) row of sepsis onset, counted from the stay's first row; infinite without sepsis.

    The official scorer's convention: six rows after the first positive one, also where the label
    is positive from the first row on (then the real onset was that early or earlier). May lie
    behind the last row.

    >>> onset_rows(np.array([0, 0, 1, 1, 0, 0], np.int8), np.array([0, 4, 6])).tolist()
    [8.0, inf]
    """
    positive = label == 1
    row = np.where(positive, np.arange(len(label)), len(label))
    first = np.minimum.reduceat(row, starts[:-1])
    septic = first < starts[1:]
    return np.where(septic, first - starts[:-1] + LABEL_LEAD_HOURS, np.inf)


def hours_from_onset(label: NDArray[np.int8], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R,) hours from onset to each row: negative before it, minus infinity without sepsis.

    >>> hours_from_onset(np.array([0, 1, 0], np.int8), np.array([0, 2, 3])).tolist()
    [-7.0, -6.0, -inf]
    """
    lengths = np.diff(starts)
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    hours: NDArray[np.float64] = within - np.repeat(onset_rows(label, starts), lengths)
    return hours


def horizon_labels(
    label: NDArray[np.int8],
    starts: NDArray[np.int64],
    horizons: tuple[int, ...] = HORIZON_HOURS,
) -> NDArray[np.int8]:
    """(R, 3) whether onset is within each of the horizons of the row, or has happened.

    The first column is the challenge's label as given. The others begin 24 and 48 hours before
    onset and stay 1 to the end.

    Censoring: a stay without sepsis that ends before the horizon does counts as negative to its
    last row. It left the ICU (or the record) without sepsis, nobody knows the hours after, and
    dropping those rows would teach that every short stay is septic; so the longer heads estimate
    "onset in this ICU stay, within the horizon".

    Args:
        label: (R,) the challenge's SepsisLabel.
        starts: (N + 1,) row offsets of the stays.
        horizons: hours ahead; the first is that of the label.

    >>> horizon_labels(np.array([0] * 20 + [1], np.int8), np.array([0, 21]))[[0, 1, 2, 3, 20], 1]
    array([0, 0, 1, 1, 1], dtype=int8)
    """
    hours = hours_from_onset(label, starts)
    later = [hours >= -horizon for horizon in horizons[1:]]
    return np.column_stack([label == 1, *later]).astype(np.int8)
