"""Limit of the patients of a partition: how many may come on one day before new ones are refused.

A sender that makes up ids, or changes them, gives each a stay for 15 days. The count follows from
the stays alone: those whose last event came on this day of the log. So a service that takes a
partition over, or replays it, refuses the same events, however they are cut into batches.
"""

from __future__ import annotations

import numpy as np

from streamer.core.canary import is_canary
from streamer.core.scored_batch import Batch, Events
from streamer.core.stays import StayTable


class DayLimit:
    """Counts the patients of each partition and day while new ones of a batch come in order.

    Args:
        table: the stays before the events.
        batch: with the slots of the stays that it finds there.
        events: the events that are taken, in the order of the log.
    """

    def __init__(self, table: StayTable, batch: Batch, events: Events) -> None:
        self._table = table
        self._batch = batch
        known = events[(batch.slots[events] >= 0) & ~batch.columns.is_canary[events]]
        stays_and_days = np.stack([batch.slots[known], batch.days[known]])
        first = known[np.sort(np.unique(stays_and_days, axis=1, return_index=True)[1])]
        came_today = table["last_seen_day"][batch.slots[first]] == batch.days[first]
        self._first = first[~came_today]
        self._new: dict[tuple[int, int], set[str]] = {}  # by partition and day
        self._before: dict[tuple[int, int], int] = {}

    def refuses(self, event: int) -> bool:
        """Whether the partition has had its number of patients on the day of this event."""
        batch = self._batch
        partition, day = group = int(batch.partitions[event]), int(batch.days[event])
        if group not in self._before:
            self._before[group] = self._seen(partition, day)
        first = self._first[: np.searchsorted(self._first, event)]
        here = (batch.partitions[first] == partition) & (batch.days[first] == day)
        n = self._before[group] + int(here.sum()) + len(self._new.get(group, ()))
        return n >= self._table.most_a_day

    def came(self, event: int, patient: str) -> None:
        """Notes an event of a patient who had no stay before the batch, and has one now."""
        group = int(self._batch.partitions[event]), int(self._batch.days[event])
        self._new.setdefault(group, set()).add(patient)

    def _seen(self, partition: int, day: int) -> int:
        table = self._table
        slots = table.slots_in(partition)
        names = table.names(slots[table["last_seen_day"][slots] == day])
        n_invented = sum(map(is_canary, names))
        return len(names) - n_invented + table.evicted.count(partition, day)
