"""When a stay is let go: nothing was heard of it for 15 days of the log's own time.

The clock of a partition is the latest record timestamp among the events that its stays have taken,
so it follows from the stays themselves and from the place in the log, never from when or in which
batch an event is read. Event times cannot move it: old data that is fed in today stays for days.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.stays import StayTable

KEPT_DAYS: Final = 15
"""A day more than the two weeks of silence after which an event begins a new stay anyway."""

_DAY_MS: Final = 86_400_000

Days = NDArray[np.int64]


def follow(
    table: StayTable,
    partitions: NDArray[np.int32],
    logged_ms: NDArray[np.int64],
    moves_clock: NDArray[np.bool_],
) -> tuple[Days, list[int]]:
    """Follows the clock of each partition through a batch.

    Args:
        table: the stays before the events.
        partitions: ``(E,)`` the input partition of each event.
        logged_ms: ``(E,)`` timestamps of their records.
        moves_clock: ``(E,)`` false where an event may end up in no stay.

    Returns:
        ``(E,)`` the day of the log at each event, and the events, rising, before which stays of
        their partition may have to go.
    """
    days = np.where(moves_clock, logged_ms // _DAY_MS, 0)
    turns: list[int] = []
    for partition in np.unique(partitions).tolist():
        events = np.flatnonzero(partitions == partition)
        heard = _last_seen(table, partition)
        latest = heard.max(initial=0)
        day = np.maximum(np.maximum.accumulate(days[events]), latest)
        days[events] = day
        oldest = min(heard.min(initial=day[0]), day[0])
        if day[-1] - oldest > KEPT_DAYS:
            rises = np.diff(day, prepend=latest) > 0
            turns += events[rises & (day - oldest > KEPT_DAYS)].tolist()
    return days, sorted(turns)


def touch(table: StayTable, slots: NDArray[Any], days: Days) -> None:
    """Notes for stays, which may repeat, the day on which they were heard of."""
    risen = days > table["heard_day"][slots]
    if risen.any():
        np.maximum.at(table["heard_day"], slots[risen], days[risen].astype(np.int32))
        table.touched[slots[risen]] = True


def expire(table: StayTable, partition: int, day: int) -> None:
    """Removes the stays of a partition that were not heard of for ``KEPT_DAYS`` before ``day``."""
    slots = table.slots_in(partition)
    silent = slots[day - table["heard_day"][slots] > KEPT_DAYS]
    for patient in table.names(silent):
        table.remove(patient)
        table.gone.setdefault(partition, set()).add(patient)
    evicted = table.evicted
    silent_days = [heard for heard in evicted.days_in(partition) if day - heard > KEPT_DAYS]
    for patient in evicted.names(partition, silent_days):
        evicted.remove(patient)
        table.gone.setdefault(partition, set()).add(patient)


def _last_seen(table: StayTable, partition: int) -> NDArray[Any]:
    """The days on which stays of a partition were heard of, those in the store alone included."""
    awake = table["heard_day"][table.slots_in(partition)]
    return np.concatenate([awake, np.array(table.evicted.days_in(partition), awake.dtype)])
