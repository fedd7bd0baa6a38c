"""What lies behind an hour of a stay, for all rows of many stays at once; R rows, V columns.

Every function looks back alone: a row of the result follows from this row and those before it in
the same stay. ``place`` is (R,) the hours of the stay that lie before the row, 0 in its first row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Places: TypeAlias = NDArray[np.int64]
Pick: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
"""Of two arrays one, element by element, such as ``np.fmin``; the same one however it is asked."""


def places(starts: NDArray[np.int64]) -> Places:
    """(R,) the place of each row in its stay.

    >>> places(np.array([0, 3, 5])).tolist()
    [0, 1, 2, 0, 1]
    """
    return np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))


def ago(values: Floats, hours: int, place: Places) -> Floats:
    """(R, V) the values this many rows before; NaN where the stay had not begun.

    >>> ago(np.array([[1], [2], [3]], np.float32), 1, np.array([0, 1, 0])).ravel().tolist()
    [nan, 1.0, nan]
    """
    before = np.full_like(values, np.nan)
    before[hours:] = values[: max(len(values) - hours, 0)]
    before[place < hours] = np.nan
    return before


def picked(pick: Pick, values: Floats, hours: int, place: Places) -> Floats:
    """(R, V) what ``pick`` leaves of the last ``hours`` rows, this one included.

    Windows double: that of 4 rows is picked from two of 2 rows, which may overlap.

    >>> values = np.array([[3], [1], [2], [5]], np.float32)
    >>> picked(np.fmin, values, 2, np.arange(4)).ravel().tolist()
    [3.0, 1.0, 1.0, 2.0]
    """
    width = 1
    while width < hours:
        step = min(width, hours - width)
        values = pick(values, ago(values, step, place))
        width += step
    return values


def last_known(values: Floats, place: Places) -> tuple[Floats, Floats]:
    """(R, V) the last value that was measured and the hours since; NaN where there is none.

    >>> last, since = last_known(np.array([[7], [np.nan]], np.float32), np.arange(2))
    >>> last.ravel().tolist(), since.ravel().tolist()
    ([7.0, 7.0], [0.0, 1.0])
    """
    rows = np.arange(len(values))[:, None]
    newest = np.maximum.accumulate(np.where(np.isnan(values), -1, rows), axis=0)
    known = newest >= rows - place[:, None]
    last = np.where(known, np.take_along_axis(values, np.maximum(newest, 0), axis=0), np.nan)
    since = np.where(known, rows - newest, np.nan)
    return last.astype(np.float32), since.astype(np.float32)


def total(values: Floats, hours: int | None, place: Places) -> Floats:
    """(R, V) sums over the last ``hours`` rows, this one included; NaN counts as 0.

    Args:
        values: (R, V).
        hours: how far to look back; ``None`` to the start of the stay.
        place: (R,) of each row.
    """
    # In float64: the sums go on over all stays, and what is taken off again must not be lost.
    so_far = np.cumsum(np.nan_to_num(values), axis=0, dtype=np.float64)
    so_far = np.concatenate([np.zeros((1, values.shape[1])), so_far])
    back = place + 1 if hours is None else np.minimum(place + 1, hours)
    end = np.arange(1, len(values) + 1)
    return (so_far[end] - so_far[end - back]).astype(np.float32)


def spread(values: Floats, windows: tuple[int, ...], place: Places) -> list[tuple[Floats, Floats]]:
    """Means and standard deviations (R, V) over the last hours, for each window; NaN is left out.

    Both are taken of differences from this row's value, which are small: squares of the values
    themselves would lose in float32 what the variance is made of. A row without a value has none.

    Args:
        values: (R, V).
        windows: hours, rising.
        place: (R,) of each row.
    """
    sums, squares, known = (np.zeros_like(values) for _ in range(3))
    found: list[tuple[Floats, Floats]] = []
    for hours in range(windows[-1]):
        gap = ago(values, hours, place) - values
        there = ~np.isnan(gap)
        gap[~there] = 0
        sums += gap
        squares += gap * gap
        known += there
        if hours + 1 in windows:
            known_hours = np.where(known > 0, known, np.float32(np.nan))
            mean = (sums / known_hours).astype(np.float32)
            variance = np.maximum(squares / known_hours - mean * mean, 0)
            found.append((values + mean, np.sqrt(variance)))
    return found
