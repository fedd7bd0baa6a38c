"""Late events: an event of a closed bin counts exactly as if it had come in time.

`timeline.fold` patches the row of the closed bin in the hour ring and marks the stay dirty. Before
the stay is next used, ``refresh`` steps its state again from the anchor through all closed bins.
The ring is as long as the limit, 48 hours; what comes later is rejected (`stay_rules.is_too_late`).
"""

from __future__ import annotations

from streamer.core.hour_ring import LATE_BINS
from streamer.core.hour_step import step_hour
from streamer.core.model import Model
from streamer.core.stays import Slots, StayTable


def refresh(table: StayTable, model: Model, slots: Slots) -> None:
    """Steps the dirty ones among ``slots`` again from their anchor, through all closed bins."""
    slots = slots[table["dirty"][slots] == 1]
    if not len(slots):
        return
    for name in ("memory", "h", "c"):
        table[name][slots] = table["anchor_" + name][slots]
    table["dirty"][slots] = 0
    table["has_provisional"][slots] = 0
    table.touched[slots] = True
    bins = table["anchor_bin"][slots] + 1
    for _ in range(LATE_BINS):
        closed = bins < table["open_bin"][slots]
        if not closed.any():
            return
        slots, bins = slots[closed], bins[closed]
        step_hour(table, model, slots, bins, "")
        bins = bins + 1
