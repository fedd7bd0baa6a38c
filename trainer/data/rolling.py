"""Rolling statistics over the hours before, for all rows of many stays at once; R rows, V columns.

Every function looks back alone: a row of the result follows from this row and those before it in
the same stay. ``elapsed`` is (R,) the hours of the stay before the row, 0 in its first row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Elapsed: TypeAlias = NDArray[np.int64]
Combine: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
"""Picks one of two values, element by element; idempotent, since windows overlap: ``np.fmin``."""


def elapsed_hours(starts: NDArray[np.int64]) -> Elapsed:
    """(R,) the hours of the stay before each row.

    >>> elapsed_hours(np.array([0, 3, 5])).tolist()
    [0, 1, 2, 0, 1]
    """
    return np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))


def lagged(values: Floats, hours: int, elapsed: Elapsed) -> Floats:
    """(R, V) the values this many rows before; NaN where the stay had not begun.

    >>> lagged(np.array([[1], [2], [3]], np.float32), 1, np.array([0, 1, 0])).ravel().tolist()
    [nan, 1.0, nan]
    """
    before = np.full_like(values, np.nan)
    before[hours:] = values[: max(len(values) - hours, 0)]
    before[elapsed < hours] = np.nan
    return before


def rolling_reduce(combine: Combine, values: Floats, hours: int, elapsed: Elapsed) -> Floats:
    """(R, V) the last ``hours`` rows, this one included, combined to one.

    Windows double: one of 4 rows is combined from two of 2 rows, which may overlap.

    >>> values = np.array([[3], [1], [2], [5]], np.float32)
    >>> rolling_reduce(np.fmin, values, 2, np.arange(4)).ravel().tolist()
    [3.0, 1.0, 1.0, 2.0]
    """
    width = 1
    while width < hours:
        step = min(width, hours - width)
        values = combine(values, lagged(values, step, elapsed))
        width += step
    return values


def last_known(values: Floats, elapsed: Elapsed) -> tuple[Floats, Floats]:
    """(R, V) the last value that was measured and the hours since; NaN where there is none.

    >>> last, since = last_known(np.array([[7], [np.nan]], np.float32), np.arange(2))
    >>> last.ravel().tolist(), since.ravel().tolist()
    ([7.0, 7.0], [0.0, 1.0])
    """
    rows = np.arange(len(values))[:, None]
    newest = np.maximum.accumulate(np.where(np.isnan(values), -1, rows), axis=0)
    known = newest >= rows - elapsed[:, None]
    last = np.where(known, np.take_along_axis(values, np.maximum(newest, 0), axis=0), np.nan)
    since = np.where(known, rows - newest, np.nan)
    return last.astype(np.float32), since.astype(np.float32)


def rolling_sum(values: Floats, hours: int | None, elapsed: Elapsed) -> Floats:
    """(R, V) sums over the last ``hours`` rows, this one included; NaN counts as 0.

    Args:
        values: (R, V).
        hours: how far to look back; ``None`` to the start of the stay.
        elapsed: (R,) of each row.
    """
    # In float64: the sums run over all stays, and the difference of two loses digits in float32.
    so_far = np.cumsum(np.nan_to_num(values), axis=0, dtype=np.float64)
    so_far = np.concatenate([np.zeros((1, values.shape[1])), so_far])
    back = elapsed + 1 if hours is None else np.minimum(elapsed + 1, hours)
    end = np.arange(1, len(values) + 1)
    return (so_far[end] - so_far[end - back]).astype(np.float32)


def rolling_mean_std(
    values: Floats, windows: tuple[int, ...], elapsed: Elapsed
) -> list[tuple[Floats, Floats]]:
    """Means and standard deviations (R, V) over the last hours, for each window; NaN is left out.

    Both are computed from differences to this row's value, which are small: squares of the values
    themselves would lose the variance in float32. A row without a value has neither.

    Args:
        values: (R, V).
        windows: hours, rising.
        elapsed: (R,) of each row.
    """
    sums, squares, known = (np.zeros_like(values) for _ in range(3))
    statistics: list[tuple[Floats, Floats]] = []
    for hours in range(windows[-1]):
        gap = lagged(values, hours, elapsed) - values
        measured = ~np.isnan(gap)
        gap[~measured] = 0
        sums += gap
        squares += gap * gap
        known += measured
        if hours + 1 in windows:
            known_hours = np.where(known > 0, known, np.float32(np.nan))
            mean = (sums / known_hours).astype(np.float32)
            variance = np.maximum(squares / known_hours - mean * mean, 0)
            statistics.append((values + mean, np.sqrt(variance)))
    return statistics
