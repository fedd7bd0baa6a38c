"""The end of a canary's stay: nothing of it is kept at its discharge.

A patient's alert silences the next one for 12 hours, and a stay is kept for 15 days; a canary is
admitted every minute. So its stay, its home partition and the memory of its alert go.
"""

from __future__ import annotations

from streamer.core.follower import Follower
from streamer.core.scored_batch import Batch, Events
from streamer.core.stays import NEVER, StayTable


class CanaryStays:
    """Forgets the stays of canaries in one table.

    Args:
        table: the stays.
        follower: hears of those that are let go.
    """

    def __init__(self, table: StayTable, follower: Follower) -> None:
        self._table = table
        self._follower = follower
        self._forgotten: set[str] = set()

    def forget(self, batch: Batch, events: Events) -> None:
        """Empties the slots of those canaries among the patients of events; their stays are over.

        Further events of the batch may have the slot: it is freed by ``remove``.
        """
        for event in events[batch.columns.is_canary[events]].tolist():
            slot, patient = int(batch.slots[event]), batch.columns.patients[event]
            last_seen_day = self._table["last_seen_day"][slot]  # by the newest event of the batch
            self._table.reset(slot)
            self._table["last_seen_day"][slot] = last_seen_day
            self._forgotten.add(patient)
            self._follower.let_go(batch, event, [patient])

    def remove(self) -> None:
        """Removes what was forgotten, unless it has begun anew."""
        table = self._table
        for patient in sorted(self._forgotten):
            slot = table.slot_of.get(patient, -1)
            if slot >= 0 and table["origin_ms"][slot] == NEVER:
                table.gone.setdefault(int(table.partitions[slot]), set()).add(patient)
                table.remove(patient)
        self._forgotten.clear()
