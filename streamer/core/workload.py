"""The work in a batch, in steps of the network: what bounds a batch, since records do not.

An event costs as many steps as hours have passed since the one before of its patient, and one more
for its evaluation; a late event costs a pass over the ring. After a silence of more than the ring
the hours are stepped in one go, which is much cheaper; yet nine hundred small events a fortnight
apart are 300,000 steps. The figures are bounds from above, from times alone, so that a batch is cut
before anything is scored.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.columns import Columns
from streamer.core.events import Kind
from streamer.core.hour_ring import LATE_BINS, RING
from streamer.core.parallel_waves import GROUP_MS
from streamer.core.stays import NEVER, StayTable
from streamer.core.time import HOUR_MS

Integers = NDArray[np.int64]
Events = NDArray[np.intp]

_MOST_HOURS: Final = 14 * 24  # a longer silence begins a new stay, which has no hours to close
_CALL_ROWS: Final = 40  # a call of the network costs as much as 40 of its rows: 0.4 ms and 11 us
_SILENT_HOURS: Final = 16  # of a long silence cost a call: 35 us each
_SILENT_CALLS: Final = 4  # to begin with


class Workload:
    """The work of a batch's events, in rows of the network.

    Stays are stepped side by side: the n-th events of all patients take as many calls of the
    network as the longest of them.

    Args:
        table: the stays before the batch.
        columns: the events.
    """

    def __init__(self, table: StayTable, columns: Columns) -> None:
        group = columns.whose
        order = np.argsort(group, kind="stable")  # each patient's events in the order of the log
        slots = np.array([table.slot_of.get(patient, -1) for patient in columns.distinct], np.intp)
        newest_ms = np.where(slots >= 0, table["newest_ms"][slots], NEVER)
        self._rows, self._calls, self._turn = np.empty((3, len(group)), np.int64)
        if len(group):
            self._rows[order], self._calls[order], self._turn[order] = _costs(
                columns.time_ms[order],
                columns.kind[order] == Kind.OBSERVATION,
                group[order],
                newest_ms,
            )

    def rows_of(self, events: Events) -> int:
        """Returns the work of ``(n,)`` events in rows, the calls included."""
        if not len(events):
            return 0
        calls, turn = self._calls[events], self._turn[events]
        most = np.zeros(int(turn.max()) + 1, np.int64)
        np.maximum.at(most, turn, calls)
        return int(self._rows[events].sum() + _CALL_ROWS * most.sum())

    def first_within(self, events: Events, most_rows: int) -> int:
        """Returns how many of the events, from the first on, are ``most_rows`` of work at most.

        Args:
            events: ``(n,)`` events in the order of the log.
            most_rows: the bound.

        Returns:
            It may be half of what would fit, and is at least 1 where there are events.
        """
        n = len(events)
        while n > 1 and self.rows_of(events[:n]) > most_rows:
            n //= 2
        return n


def _costs(
    time_ms: Integers, is_observation: NDArray[np.bool_], group: Integers, newest_ms: Integers
) -> tuple[Integers, Integers, Integers]:
    """Rows and calls of each event, and how many of its patient come before it, by patient."""
    order = np.arange(len(time_ms))
    is_first = np.diff(group, prepend=-1) != 0
    known_ms = newest_ms[group[is_first]]
    first_ms = np.where(known_ms == NEVER, time_ms[is_first], known_ms)
    lifted = time_ms + group * GROUP_MS
    lifted[is_first] = np.maximum(lifted[is_first], first_ms + group[is_first] * GROUP_MS)
    before_ms = np.roll(np.maximum.accumulate(lifted), 1) - group * GROUP_MS
    before_ms[is_first] = first_ms
    hours = time_ms // HOUR_MS - before_ms // HOUR_MS
    rows = np.clip(hours, 0, _MOST_HOURS) + 1
    calls = np.where(hours > RING, rows // _SILENT_HOURS + _SILENT_CALLS, rows)
    again = LATE_BINS * ((hours < 0) | ~is_observation)
    before = order - np.maximum.accumulate(np.where(is_first, order, 0))
    return rows + again, calls + again, before
