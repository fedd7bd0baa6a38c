"""Hour bins of a stay: the bin of an event, and the fold of its values into the hour ring.

Within a bin a variable has the value with the greatest time, and of equal times the greater value.
So a bin depends only on the set of its events: neither order nor repetition changes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core.stays import NOT_MEASURED, RING, Slots, StayTable
from streamer.core.time import HOUR_MS

Bins = NDArray[np.int64]
Floats = NDArray[np.float32]


def bin_of(time_ms: NDArray[np.int64], origin_ms: NDArray[np.int64]) -> Bins:
    """Returns the hour bin of each time: ``floor((time - origin) / 1 h)``.

    >>> bin_of(np.array([3_599_999, 3_600_000]), np.array([0, 0])).tolist()
    [0, 1]
    """
    return (time_ms - origin_ms) // HOUR_MS


def fold(
    table: StayTable,
    slots: Slots,
    time_ms: NDArray[np.int64],
    variables: NDArray[np.int16],
    values: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Folds measured values into the ring and into the newest values of their stays.

    The bins must lie inside the ring of their stay. A stay in which a closed bin changes is marked
    dirty: its committed state has to be stepped again from the anchor.

    Args:
        table: the stays; changed in place.
        slots: ``(n,)`` the stay of each value.
        time_ms: ``(n,)`` when it was measured, epoch milliseconds.
        variables: ``(n,)`` indices into ``VARIABLES``.
        values: ``(n,)`` cleaned values, none NaN.

    Returns:
        ``(n,)`` true where the value changed the ring.
    """
    elapsed = time_ms - table["origin_ms"][slots]
    bins = elapsed // HOUR_MS
    offsets = (elapsed - bins * HOUR_MS).astype(np.int32)
    cells = (slots, bins % RING, variables)
    old_offset = table["ring_offset_ms"][cells]
    old_value = table["ring_value"][cells]
    changed = _is_newer(offsets, values, old_offset, old_value)
    if changed.any():
        stored = (table["ring_offset_ms"], table["ring_value"])
        _keep_newest(stored, cells, offsets, values, changed)
        late = changed & (bins < table["open_bin"][slots])
        table["dirty"][slots[late]] = 1
        # NaN differs from any value; a newer time with the old value leaves the hour row as it was.
        table["has_provisional"][slots[changed & (values != old_value)]] = 0
    _fold_newest(table, slots, time_ms, variables, values)
    return changed


def _fold_newest(
    table: StayTable,
    slots: Slots,
    time_ms: NDArray[np.int64],
    variables: NDArray[np.int16],
    values: NDArray[np.float32],
) -> None:
    cells = (slots, variables)
    newer = _is_newer(time_ms, values, table["last_ms"][cells], table["last_value"][cells])
    _keep_newest((table["last_ms"], table["last_value"]), cells, time_ms, values, newer)


def _is_newer(
    times: NDArray[Any], values: Floats, old_times: NDArray[Any], old_values: Floats
) -> NDArray[np.bool_]:
    newer: NDArray[np.bool_] = (times > old_times) | ((times == old_times) & (values > old_values))
    return newer


def _keep_newest(
    stored: tuple[NDArray[Any], Floats],
    cells: tuple[NDArray[Any], ...],
    times: NDArray[Any],
    values: Floats,
    newer: NDArray[np.bool_],
) -> None:
    """Writes the newer values; of several for one cell the newest stays, whatever their order.

    Numpy keeps the last of several, which is the newest while events come in order. A value that
    an older one has overwritten is written again.

    Args:
        stored: arrays of times and of values, changed in place.
        cells: ``(n,)`` each, the indices of a cell in both.
        times: ``(n,)``.
        values: ``(n,)``.
        newer: ``(n,)`` which of them are newer than the stored ones.
    """
    stored_times, stored_values = stored
    while True:
        index = np.flatnonzero(newer)
        if not len(index):
            return
        cells = tuple(axis[index] for axis in cells)
        times, values = times[index], values[index]
        stored_times[cells], stored_values[cells] = times, values
        newer = _is_newer(times, values, stored_times[cells], stored_values[cells])


def rows_at(table: StayTable, slots: Slots, bins: NDArray[Any]) -> NDArray[np.float32]:
    """Returns the ``(n, 34)`` hour rows of stays at one bin each; NaN where not measured."""
    rows: NDArray[np.float32] = table["ring_value"][slots, bins % RING]
    return rows


def clear_rows(table: StayTable, slots: Slots, bins: NDArray[Any]) -> None:
    """Empties the rows of the ring that bins use which open now."""
    table["ring_value"][slots, bins % RING] = np.nan
    table["ring_offset_ms"][slots, bins % RING] = NOT_MEASURED


def cells_of(
    table: StayTable, slot: int
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.float32]]:
    """Returns what the ring of one stay holds: times in epoch milliseconds, variables, values."""
    rows, variables = np.nonzero(table["ring_offset_ms"][slot] != NOT_MEASURED)
    open_bin = int(table["open_bin"][slot])
    bins = open_bin - (open_bin - rows) % RING
    offsets = table["ring_offset_ms"][slot, rows, variables]
    time_ms = table["origin_ms"][slot] + bins * HOUR_MS + offsets
    return time_ms, variables.astype(np.int16), table["ring_value"][slot, rows, variables]
