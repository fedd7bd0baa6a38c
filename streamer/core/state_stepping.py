"""Steps of the LSTM state, for many stays at once: close bins, slide the anchor, evaluate.

Committed state belongs to the last closed bin, anchor state to the last bin that left the ring.
An evaluation steps a copy of the committed state with the open bin as it stands: the risk moves
with every event, while the committed state depends on hour rows alone. The copy is kept as the
provisional state, so a bin that closes unchanged needs no second step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import late_events
from streamer.core.hour_ring import RING
from streamer.core.hour_step import step_hour
from streamer.core.model import Model
from streamer.core.stays import WEIGHT_FIELDS, Slots, StayTable
from streamer.core.timeline import rows_at

Floats = NDArray[np.float32]

_SILENT_ROWS: Final = 1024  # silent hours of stays that are read at once: 2 MB of features


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The provisional step of ``n`` stays: the network's inputs, the state before, the risks.

    ``features`` is ``(n, F)`` raw, ``h`` and ``c`` ``(n, layers, hidden)`` *before* the step,
    ``logits`` ``(n, 3)`` uncalibrated, ``risks`` ``(n, 3)`` calibrated.
    """

    features: Floats
    h: Floats
    c: Floats
    logits: NDArray[np.float64]
    risks: NDArray[np.float64]


def commit(table: StayTable, model: Model, slots: Slots) -> None:
    """Closes the open bin: by its provisional step if nothing changed since, or by a new one."""
    stepped = table["has_provisional"][slots] == 1
    for name in ("memory", "h", "c"):
        table[name][slots[stepped]] = table["provisional_" + name][slots[stepped]]
    table["has_provisional"][slots] = 0
    if not stepped.all():
        slots = slots[~stepped]
        step_hour(table, model, slots, table["open_bin"][slots], "")


def slide_anchor(table: StayTable, model: Model, slots: Slots, bins: NDArray[np.int32]) -> None:
    """Steps the anchor state by the hour rows of ``bins``, which leave the ring."""
    step_hour(table, model, slots, bins, "anchor_")


def pass_silence(table: StayTable, model: Model, slots: Slots, until: NDArray[np.int64]) -> None:
    """Closes all bins before ``until``: the open one, and more than a ring in which nothing came.

    The hours that the anchor lags behind are silent, too. So it takes over the committed state on
    the way, and need not be stepped.
    """
    commit(table, model, slots)
    silent = table["open_bin"][slots].astype(np.int64) + 1
    kept = until - RING + 1
    _step_silence(table, model, slots, silent, kept)
    for name in ("memory", "h", "c"):
        table["anchor_" + name][slots] = table[name][slots]
    _step_silence(table, model, slots, kept, until)


def _step_silence(
    table: StayTable,
    model: Model,
    slots: Slots,
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
) -> None:
    """Steps the committed state of ``slots`` by the bins from ``begin`` up to ``end``, exclusive.

    Nothing was measured in them. What the network reads of a silent hour needs no state, so many
    hours are read at once.
    """
    while True:
        left = end - begin
        slots, begin, end = (of[left > 0] for of in (slots, begin, end))
        if not len(slots):
            return
        hours = min(int((end - begin).min()), max(1, _SILENT_ROWS // len(slots)))
        seen, table["memory"][slots] = table.features.step_silence(
            hours, begin.astype(np.int32), table["static"][slots], table["memory"][slots]
        )
        h, c = table["h"][slots], table["c"][slots]
        model.advance(seen, h, c, [len(slots)] * hours)
        table["h"][slots], table["c"][slots] = h, c
        begin = begin + hours


def rewarm(table: StayTable, slots: Slots) -> None:
    """Forgets the recurrent state of ``slots``, so that a new model steps it from the ring.

    An (h, c) of other weights means nothing to the new ones. The values from before the ring stay:
    the memory of the anchor is made of measurements, not of weights.
    """
    for name in WEIGHT_FIELDS:
        table[name][slots] = 0
    table["dirty"][slots] = table["started"][slots]


def evaluate(table: StayTable, model: Model, slots: Slots) -> Evaluation:
    """Steps a copy of each stay's committed state with its open bin and returns the risks."""
    late_events.refresh(table, model, slots)
    bins = table["open_bin"][slots]
    seen, table["provisional_memory"][slots] = table.features.step(
        model.inputs(rows_at(table, slots, bins)),
        bins,
        table["static"][slots],
        table["memory"][slots],
    )
    h, c = table["h"][slots], table["c"][slots]
    logits, table["provisional_h"][slots], table["provisional_c"][slots] = model.step(seen, h, c)
    table["has_provisional"][slots] = 1
    return Evaluation(seen, h, c, logits, model.risks(logits))
