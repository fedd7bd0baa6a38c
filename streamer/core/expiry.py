"""Expiry: a stay is removed when no event came for it for 15 days of the log's own time.

The clock of a partition is the latest record timestamp among the events that its stays have taken.
So it follows from the stays and the position in the log, never from when or in which batch an event
is read. Event times cannot move it: old data that is fed in today stays for days.

Stays that were restored are ahead of the events that are read: their days come from where they were
noted, until all stays are at the same event again.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.core.columns import Columns
from streamer.core.stays import Slots, StayTable
from streamer.core.time import DAY_MS

KEPT_DAYS: Final = 15
"""A day more than the two weeks of silence after which an event begins a new stay in any case."""

NOT_NOTED: Final = -1

Days = NDArray[np.int64]
"""``(E,)`` days since the epoch."""


class Passage(NamedTuple):
    """How the clocks of the partitions pass through a batch.

    Attributes:
        days: the day of the log at each event.
        begins: the events, rising, with which a day of their partition begins.
        expiries: those of them before which stays of their partition may expire.
    """

    days: Days
    begins: list[int]
    expiries: list[int]


def follow(
    table: StayTable,
    columns: Columns,
    partitions: NDArray[np.int32],
    on_home_partition: NDArray[np.bool_],
    noted: Days | None = None,
) -> Passage:
    """Follows the clock of each partition through a batch.

    Args:
        table: the stays before the events.
        columns: the events.
        partitions: ``(E,)`` the input partition of each.
        on_home_partition: ``(E,)`` whether it is that of its patient's stay.
        noted: the days where they do not follow from the stays, ``NOT_NOTED`` elsewhere.
    """
    # What may be of no stay cannot move the clock: nobody could tell later that it did. Nor can who
    # is invented: by a clock that is days ahead, patients would expire.
    moves_clock = on_home_partition & ~columns.needs_stay & ~columns.is_canary
    days = np.where(moves_clock, columns.logged_ms // DAY_MS, 0)
    is_noted = np.zeros(len(days), np.bool_)
    if noted is not None:
        is_noted = noted != NOT_NOTED
        days = np.where(is_noted, noted, days)
    begins: list[int] = []
    expiries: list[int] = []
    clocks = _clocks(table, int(partitions.max(initial=0)))
    moving = np.unique(partitions[(days > clocks[partitions]) | is_noted])  # seldom any
    stands = ~np.isin(partitions, moving)
    days[stands] = clocks[partitions[stands]]
    for partition in moving.tolist():
        events = np.flatnonzero(partitions == partition)
        seen = _last_seen(table, partition)
        latest = int(clocks[partition])
        day = np.maximum.accumulate(days[events])
        day = np.where(is_noted[events], day, np.maximum(day, latest))
        days[events] = day
        begun = np.diff(day, prepend=min(latest, day[0])) > 0
        begins += events[begun].tolist()
        oldest = min(seen.min(initial=day[0]), day[0])
        if day[-1] - oldest > KEPT_DAYS:
            expiries += events[begun & (day - oldest > KEPT_DAYS)].tolist()
    return Passage(days, sorted(begins), sorted(expiries))


def clock(table: StayTable, partition: int) -> int:
    """The day of a partition's log that follows from its stays; 0 without any."""
    return int(_last_seen(table, partition).max(initial=0))


def _clocks(table: StayTable, last: int) -> NDArray[np.int64]:
    """The clocks of the partitions up to ``last`` at least, by number."""
    n = max(last, int(table.partitions.max(initial=0))) + 1
    days = table["last_seen_day"]
    # One more, for the slots of no stay: their partition is -1.
    clocks = np.zeros(n + 1, days.dtype)
    np.maximum.at(clocks, table.partitions.astype(np.intp), days)  # slow for other types
    for partition, day in table.evicted.days():
        if partition < n:
            clocks[partition] = max(clocks[partition], day)
    return clocks[:-1].astype(np.int64)


def touch(table: StayTable, slots: NDArray[Any], days: Days) -> None:
    """Notes the day of the last event of stays, which may repeat."""
    risen = days > table["last_seen_day"][slots]
    if risen.any():
        np.maximum.at(table["last_seen_day"], slots[risen], days[risen].astype(np.int32))
        table.touched[slots[risen]] = True


def silent(table: StayTable, partition: int, day: int) -> Slots:
    """The stays in memory of a partition without an event in the ``KEPT_DAYS`` before ``day``."""
    slots = table.slots_in(partition)
    return slots[day - table["last_seen_day"][slots] > KEPT_DAYS]


def expire(table: StayTable, partition: int, day: int) -> list[str]:
    """Removes the silent stays of a partition; returns their patients.

    An evicted stay has no alert on: those are kept in memory, so that it can end first.
    """
    removed = table.names(silent(table, partition, day))
    for patient in removed:
        table.remove(patient)
        table.gone.setdefault(partition, set()).add(patient)
    evicted = table.evicted
    silent_days = [seen for seen in evicted.days_in(partition) if day - seen > KEPT_DAYS]
    removed_evicted = sorted(evicted.names(partition, silent_days))
    for patient in removed_evicted:
        evicted.remove(patient)
        table.gone.setdefault(partition, set()).add(patient)
    return sorted(removed + removed_evicted)


def _last_seen(table: StayTable, partition: int) -> NDArray[Any]:
    """The days of the last events of a partition's stays, evicted ones included."""
    in_memory = table["last_seen_day"][table.slots_in(partition)]
    return np.concatenate([in_memory, np.array(table.evicted.days_in(partition), in_memory.dtype)])
