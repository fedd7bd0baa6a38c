"""Evicted stays: those that are in the state store alone, with partition and day of last event.

A process keeps a bounded number of stays in memory and evicts the others. An event loads its
patient's stay before it is scored. Decisions about all stays of a partition, such as expiry,
include the evicted ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


class EvictedStays:
    """Patients of evicted stays, by input partition and the day of the log of their last event."""

    def __init__(self) -> None:
        self._group_of: dict[str, tuple[int, int]] = {}
        self._patients: dict[tuple[int, int], set[str]] = {}  # by (partition, day)

    def __len__(self) -> int:
        return len(self._group_of)

    def add(self, patient: str, partition: int, last_seen_day: int) -> None:
        """Notes that a patient's stay is in the store alone."""
        group = (partition, last_seen_day)
        self._group_of[patient] = group
        self._patients.setdefault(group, set()).add(patient)

    def remove(self, patient: str) -> None:
        """Forgets a patient; one whose stay is not evicted is ignored."""
        group = self._group_of.pop(patient, None)
        if group is not None:
            self._patients[group].discard(patient)
            if not self._patients[group]:
                del self._patients[group]

    def partition_of(self, patient: str) -> int | None:
        """Returns the partition of a patient's evicted stay, ``None`` for all other patients."""
        group = self._group_of.get(patient)
        return None if group is None else group[0]

    def count(self, partition: int, day: int) -> int:
        """Returns how many evicted stays of a partition had their last event on a day."""
        return len(self._patients.get((partition, day), ()))

    def days(self) -> Iterable[tuple[int, int]]:
        """Returns each partition and day on which an evicted stay of it had its last event."""
        return self._patients.keys()

    def days_in(self, partition: int) -> list[int]:
        """Returns the days on which evicted stays of a partition had their last event."""
        return [day for number, day in self._patients if number == partition]

    def names(self, partition: int, days: Collection[int]) -> list[str]:
        """Returns the patients of a partition whose last event came on one of these days."""
        return [patient for day in days for patient in self._patients[partition, day]]

    def clear(self, partition: int) -> None:
        """Forgets the evicted stays of a partition."""
        for patient in self.names(partition, self.days_in(partition)):
            self.remove(patient)
