"""The hour rows of stays, from their events: what the network saw, kept instead of stepped.

`HourRows` follows the fold (`event_fold`) and hands a stay over when it ends. Its rows are those
that the streamer stepped, also for late events and corrections, since the fold is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.core.assessment import EndReason
from streamer.core.follower import Follower
from streamer.core.hour_ring import RING
from streamer.core.lstm_network import Architecture
from streamer.core.scored_batch import Batch, Events
from streamer.core.stays import Slots, StayTable
from streamer.core.timeline import Floats, rows_at

NO_NETWORK = Architecture(n_features=1, hidden=1, encoder=1)
"""Of a table whose stays are folded and never stepped."""


@dataclass(frozen=True, slots=True)
class StayRows:
    """A stay that has ended; times are epoch milliseconds, `stays.NEVER` where there is none.

    Attributes:
        patient: the patient's id.
        origin_ms: where bin 0 begins: ICU admission, or the first event.
        is_admitted: whether an admission was seen.
        first_bin: the hour bin of the first row.
        rows: ``(hours, V)`` cleaned values, NaN where not measured.
        static: ``(4,)`` as `features.STATIC`.
        newest_ms: the time of the newest observation.
        discharge_ms: of the discharge.
        ward: the last ward that was named.
    """

    patient: str
    origin_ms: int
    is_admitted: bool
    first_bin: int
    rows: Floats
    static: Floats
    newest_ms: int
    discharge_ms: int
    ward: str


class HourRows(Follower):
    """Follows a fold and collects rows as their bins leave the ring.

    Args:
        table: that is folded into.
        sink: called with each stay that has ended, and with those of ``finish``.
    """

    def __init__(self, table: StayTable, sink: Callable[[StayRows], None]) -> None:
        self._table = table
        self._sink = sink
        self._left_ring: dict[int, list[Floats]] = {}

    def refresh(self, slots: Slots) -> None:
        """A late event has changed the ring itself: there is no state to step again."""

    def close(self, slots: Slots) -> None:
        """A closed bin stays in the ring."""

    def leave_ring(self, slots: Slots, bins: NDArray[np.int32]) -> None:
        """Keeps rows that no later event can change."""
        for slot, row in zip(slots.tolist(), rows_at(self._table, slots, bins), strict=True):
            self._left_ring.setdefault(slot, []).append(row)

    def pass_silence(self, slots: Slots, until: NDArray[np.int64]) -> None:
        """Keeps the rows of the ring, and those of the silent hours that leave it after them."""
        for slot, silent_until in zip(slots, until.tolist(), strict=True):
            newest = int(self._table["open_bin"][slot])
            bins = np.arange(int(self._table["anchor_bin"][slot]) + 1, newest + 1)
            rows = rows_at(self._table, np.full(len(bins), slot, np.intp), bins)
            silent = np.full((silent_until - RING - newest, rows.shape[1]), np.nan, np.float32)
            self._left_ring.setdefault(int(slot), []).extend([*rows, *silent])

    def evaluate(self, batch: Batch, events: Events) -> None:
        """Nothing is asked of an hour before it has ended."""

    def attends(self, slots: Slots) -> NDArray[np.bool_]:
        """Every stay that has hours."""
        started: NDArray[np.bool_] = self._table["started"][slots] == 1
        return started

    def end(self, batch: Batch, slots: Slots, events: Events, reason: EndReason) -> None:
        """Hands stays over; after a discharge late results may still come."""
        del batch, events
        if reason is not EndReason.DISCHARGE:
            self.finish(slots)

    def finish(self, slots: Slots) -> None:
        """Hands over stays as they stand now."""
        table = self._table
        for slot in slots.tolist():
            anchor, newest = int(table["anchor_bin"][slot]), int(table["open_bin"][slot])
            bins = np.arange(anchor + 1, newest + 1)
            in_ring = rows_at(table, np.full(len(bins), slot, np.intp), bins)
            left = self._left_ring.pop(slot, [])
            self._sink(
                StayRows(
                    str(table.patients[slot]),
                    int(table["origin_ms"][slot]),
                    bool(table["admitted"][slot]),
                    int(table["first_bin"][slot]),
                    np.concatenate([*(row[None] for row in left), in_ring]),
                    table["static"][slot].copy(),
                    int(table["newest_ms"][slot]),
                    int(table["discharge_ms"][slot]),
                    table.locations[slot][0],
                )
            )
