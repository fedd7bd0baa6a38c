"""Stays that are in the state store alone: whose they are, where they live, when last heard of.

A process keeps a bounded number of stays at hand. The others sleep: an event wakes its patient's
stay before it is taken, and whatever is decided about all stays of a partition counts them in.
"""

from __future__ import annotations

from collections.abc import Collection


class EvictedStays:
    """Sleeping patients, by input partition and by the day of the log on which they were heard."""

    def __init__(self) -> None:
        self._place_of: dict[str, tuple[int, int]] = {}
        self._patients: dict[tuple[int, int], set[str]] = {}

    def __len__(self) -> int:
        return len(self._place_of)

    def add(self, patient: str, partition: int, last_seen_day: int) -> None:
        """Notes that a patient's stay is in the store alone."""
        place = (partition, last_seen_day)
        self._place_of[patient] = place
        self._patients.setdefault(place, set()).add(patient)

    def remove(self, patient: str) -> None:
        """Forgets a patient, who need not be asleep."""
        place = self._place_of.pop(patient, None)
        if place is not None:
            self._patients[place].discard(patient)
            if not self._patients[place]:
                del self._patients[place]

    def partition_of(self, patient: str) -> int | None:
        """Returns the partition that a sleeping patient's stay is on, ``None`` for all others."""
        place = self._place_of.get(patient)
        return None if place is None else place[0]

    def days_in(self, partition: int) -> list[int]:
        """Returns the days on which sleepers of a partition were last heard of."""
        return [day for place, day in self._patients if place == partition]

    def names(self, partition: int, days: Collection[int]) -> list[str]:
        """Returns the sleepers of a partition that were last heard of on these days."""
        return [patient for day in days for patient in self._patients[partition, day]]

    def clear(self, partition: int) -> None:
        """Forgets the sleepers of a partition."""
        for patient in self.names(partition, self.days_in(partition)):
            self.remove(patient)
