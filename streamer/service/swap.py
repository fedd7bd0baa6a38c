"""A new model takes over stays: what was measured moves along, what old weights made does not."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamer.core.recurrence import rewarm
from streamer.core.stays import StayTable

_OF_WEIGHTS: Final = frozenset({"h", "c", "anchor_h", "anchor_c"})


def move(source: StayTable, target: StayTable, partition: int) -> int:
    """Moves the stays of a partition to the table of another model and re-warms them there.

    Each stay is stepped from its hour ring by the new model when it is next looked at. Returns the
    number of stays moved.
    """
    patients = source.names(source.slots_in(partition))
    for patient in patients:
        old = source.slot_of[patient]
        new = target.add(patient, partition)
        for name in source.fields:
            if name not in _OF_WEIGHTS:
                target[name][new] = source[name][old]
        target.places[new] = source.places[old]
        source.remove(patient)
    rewarm(target, np.array([target.slot_of[patient] for patient in patients], np.intp))
    return len(patients)
