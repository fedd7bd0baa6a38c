"""Stays from one table to another: fields as they are, variables by name and unit.

Tables of two models may have different variables (decision 035). A variable that only the source
has is left out; one that only the target has was never measured.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.stays import RING_FIELDS, Slots, StayTable
from streamer.core.variables import VariableTable, shared_columns

OF_VARIABLES: Final = ("last_value", "last_ms")
"""The fields with a column for each variable."""
OF_MEMORY: Final = ("memory", "anchor_memory")
"""The fields that are a memory of the features."""


@lru_cache(maxsize=64)
def moved_to(source: VariableTable, target: VariableTable) -> NDArray[np.intp]:
    """Returns the column in the target of each variable of the source, -1: none."""
    columns = np.full(len(source), -1, np.intp)
    here, there = shared_columns(source, target)
    columns[here] = there
    return columns


def copy_stays(
    source: StayTable, old: Slots, target: StayTable, new: Slots, fields: Collection[str]
) -> None:
    """Copies stays between tables.

    Args:
        source: has the stays.
        old: ``(n,)`` their slots there.
        target: gets them.
        new: ``(n,)`` their slots here; what is copied may hold anything, but the ring nothing.
        fields: those of a stay that are copied, beside the ring.
    """
    same = source.variables.key == target.variables.key
    columns = moved_to(source.variables, target.variables)
    shared = np.flatnonzero(columns >= 0)
    for name in fields:
        if name in RING_FIELDS:
            continue
        if same or name not in (*OF_VARIABLES, *OF_MEMORY):
            target[name][new] = source[name][old]
        elif name in OF_MEMORY:
            memory = source[name][old]
            target[name][new] = source.features.moved_memory(memory, target.features)
        else:
            target[name][new] = target.fields[name].initial
            target[name][new[:, None], columns[shared]] = source[name][old[:, None], shared]
    for layer, of_layer in source.layers.items():
        target.layers[layer].copy(new, of_layer, old, columns)
    for before, after in zip(old.tolist(), new.tolist(), strict=True):
        target.locations[after] = source.locations[before]
        target.notes[after] = source.notes[before]
