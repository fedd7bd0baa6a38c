"""Late events: an event of a closed bin counts exactly as if it had come in time.

`timeline.fold` patches the row of the closed bin in the hour ring and marks the stay dirty. Before
the stay is next used, ``refresh`` steps its state again from the anchor through all closed bins.
The ring is as long as the limit, 48 hours; what comes later is rejected (`stay_rules.is_too_late`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.hour_ring import LATE_BINS
from streamer.core.model import Model
from streamer.core.stays import Slots, StayTable
from streamer.core.timeline import rows_at

_AT_ONCE: Final = 128
"""Stays whose hours are stepped at once: 48 hours of each take 20 MB."""


def refresh(table: StayTable, model: Model, slots: Slots) -> None:
    """Steps the dirty ones among ``slots`` again from their anchor, through all closed bins."""
    slots = slots[table["dirty"][slots] == 1]
    if not len(slots):
        return
    table["dirty"][slots] = 0
    table["has_provisional"][slots] = 0
    table.touched[slots] = True
    closed = np.clip(table["open_bin"][slots] - table["anchor_bin"][slots] - 1, 0, LATE_BINS)
    longest_first = np.argsort(-closed, kind="stable")
    slots, closed = slots[longest_first], closed[longest_first]
    for begin in range(0, len(slots), _AT_ONCE):
        end = begin + _AT_ONCE
        _step_again(table, model, slots[begin:end], closed[begin:end])


def _step_again(table: StayTable, model: Model, slots: Slots, closed: NDArray[np.int32]) -> None:
    """Steps stays from their anchor by ``closed`` hours each, ``(n,)`` in falling order.

    Only the memory of features and the LSTM go hour by hour; all else is done for all hours at
    once.
    """
    sizes = [int((closed > hour).sum()) for hour in range(closed[0])]
    stay = np.concatenate([np.arange(size) for size in (*sizes, 0)])
    hour = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    bins = table["anchor_bin"][slots][stay] + 1 + hour
    rows = rows_at(table, slots[stay], bins)
    memory, h, c = (table["anchor_" + name][slots] for name in ("memory", "h", "c"))
    features = table.features
    after = np.empty((len(rows), features.memory_size), np.float32)
    begin = 0
    for size in sizes:
        end = begin + size
        memory[:size] = after[begin:end] = features.remember(rows[begin:end], memory[:size])
        begin = end
    seen = features.seen(rows, bins, table["static"][slots[stay]], after)
    model.advance(seen, h, c, sizes)
    table["memory"][slots], table["h"][slots], table["c"][slots] = memory, h, c
