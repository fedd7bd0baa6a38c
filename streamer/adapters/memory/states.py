"""The in-memory twin of `adapters.redis.states`: same contract, one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamer.ports.states import Fenced, HomesLost, Lease, StateWrite, StoreUnavailable


@dataclass(slots=True)
class _Partition:
    epoch: int = 0
    watermark: int | None = None
    model_id: str | None = None
    swaps: int = 0
    log_id: str | None = None
    stays: dict[str, bytes] = field(default_factory=dict)


class MemoryStates:
    """States of stays in a dictionary; set ``available`` false to simulate an outage."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._widths: dict[str, int] = {}
        self._home_partitions: dict[tuple[str, str], int] = {}  # by topic id and patient
        self._complete: set[str] = set()  # ids of topics
        self.available = True

    def take(self, partition: int) -> Lease:
        """See ``StateStore``."""
        stored = self._open(partition)
        stored.epoch += 1
        return Lease(stored.epoch, stored.watermark, stored.model_id, stored.swaps, stored.log_id)

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """See ``StateStore``."""
        self._ask()
        return self._widths.setdefault(log_id, n_partitions)

    def claim_partition(
        self,
        log_id: str,
        partition: int,
        epoch: int,
        patients: Sequence[str],
        *,
        are_new: bool = False,
    ) -> dict[str, int]:
        """See ``StateStore``."""
        del epoch  # one process: no owner acts late
        self._ask()
        unknown = [p for p in patients if (log_id, p) not in self._home_partitions]
        if are_new and unknown and log_id not in self._complete:
            raise HomesLost("the memory store may lack home partitions")
        home_partitions = {
            p: self._home_partitions.setdefault((log_id, p), partition) for p in patients
        }
        return {patient: home for patient, home in home_partitions.items() if home != partition}

    def complete_homes(self, log_id: str) -> None:
        """See ``StateStore``."""
        self._ask()
        self._complete.add(log_id)

    def lose_homes(self) -> None:
        """Loses all home partitions, for tests."""
        self._home_partitions.clear()
        self._complete.clear()

    def pages(self, partition: int) -> Iterator[Mapping[str, bytes]]:
        """See ``StateStore``."""
        for patient, stay in dict(self._open(partition).stays).items():
            yield {patient: stay}

    def fetch(
        self, partition: int, epoch: int, watermark: int | None, patients: Sequence[str]
    ) -> dict[str, bytes]:
        """See ``StateStore``."""
        stored = self._open(partition)
        if (stored.epoch, stored.watermark) != (epoch, watermark):
            raise Fenced(f"the state store has another owner: partition {partition}")
        return {patient: stored.stays[patient] for patient in patients if patient in stored.stays}

    def save(self, changes: Sequence[StateWrite]) -> None:
        """See ``StateStore``."""
        refused = [change.partition for change in changes if not self._save(change)]
        if refused:
            raise Fenced(f"the state store refused: partitions {refused}")

    def find(self, patient: str, partitions: Sequence[int]) -> tuple[int, bytes] | None:
        """See ``StateStore``."""
        for partition in partitions:
            stay = self._open(partition).stays.get(patient)
            if stay is not None:
                return partition, stay
        return None

    def close(self) -> None:
        """See ``StateStore``."""

    def _save(self, change: StateWrite) -> bool:
        stored = self._open(change.partition)
        if stored.epoch != change.epoch:
            return False
        if stored.watermark not in (change.expected, change.watermark):
            return False
        stored.stays.update(change.changed)
        for patient in change.removed:
            stored.stays.pop(patient, None)
            if self._home_partitions.get((change.log_id, patient)) == change.partition:
                del self._home_partitions[change.log_id, patient]
        stored.watermark = change.watermark
        stored.model_id, stored.swaps = change.model_id, change.swaps
        stored.log_id = change.log_id
        return True

    def _open(self, partition: int) -> _Partition:
        self._ask()
        return self._partitions.setdefault(partition, _Partition())

    def _ask(self) -> None:
        if not self.available:
            raise StoreUnavailable("the memory store is switched off")
