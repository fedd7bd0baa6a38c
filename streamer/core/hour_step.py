"""One step of the LSTM state by one hour row, written back to the table of stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.model import Model
from streamer.core.stays import Slots, StayTable
from streamer.core.timeline import rows_at


def step_hour(
    table: StayTable, model: Model, slots: Slots, bins: NDArray[np.int32], prefix: str
) -> None:
    """Steps a state of stays by the hour rows of ``bins``.

    Args:
        table: the stays; changed in place.
        model: the network that steps.
        slots: ``(n,)`` distinct stays.
        bins: ``(n,)`` the hour of each.
        prefix: which state: ``""`` the committed one, ``"anchor_"`` that of the anchor.
    """
    memory, h, c = prefix + "memory", prefix + "h", prefix + "c"
    seen, table[memory][slots] = table.features.step(
        model.inputs(rows_at(table, slots, bins)),
        bins,
        table["static"][slots],
        table[memory][slots],
    )
    _, table[h][slots], table[c][slots] = model.step(seen, table[h][slots], table[c][slots])
