"""Port: where the states of stays live outside the process, fenced by epoch and watermark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """What an owner finds when it takes a partition.

    Attributes:
        epoch: the owner's; every owner before it is fenced from now on.
        watermark: the next offset of the input that the states do not include; ``None`` where no
            state was ever saved, or all of it was lost.
        model_id: the model that steps the partition.
        swaps: how many models did before.
        log_id: the identity of the input topic that the watermark counts in.
    """

    epoch: int
    watermark: int | None
    model_id: str | None
    swaps: int
    log_id: str | None


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One atomic change of one partition's states.

    Attributes:
        partition: the input partition.
        epoch: the owner's; the change is refused if the store has another.
        expected: the watermark that the store must have (``None``: none yet).
        watermark: the watermark after the change.
        model_id: the model that steps the partition.
        swaps: how many models did before.
        log_id: the identity of the input topic.
        changed: stored stays by patient.
        removed: patients whose stay is gone; the partition is their home no longer.
    """

    partition: int
    epoch: int
    expected: int | None
    watermark: int
    model_id: str
    swaps: int
    log_id: str
    changed: Mapping[str, bytes]
    removed: Sequence[str] = ()


class Fenced(RuntimeError):
    """Another owner has taken the partition, or its watermark is not what this owner left."""


class StoreUnavailable(RuntimeError):
    """The store does not answer or does not take writes now; what was asked can be asked again."""


class StateStore(Protocol):
    """States of stays by input partition."""

    def take(self, partition: int) -> Lease:
        """Becomes the owner of a partition.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """Returns how many partitions an input topic had when it was first taken.

        Args:
            log_id: the identity of the topic.
            n_partitions: how many it has now; noted if nothing was before.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def claim_partition(
        self, log_id: str, partition: int, patients: Sequence[str]
    ) -> dict[str, int]:
        """Makes a partition the home of those patients who have none.

        Args:
            log_id: the identity of the input topic; of another one nobody is at home anywhere.
            partition: of this topic.
            patients: who is to be at home there.

        Returns:
            The home of each patient who lives on another partition.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def pages(self, partition: int) -> Iterator[Mapping[str, bytes]]:
        """Iterates over all stored stays of a partition by patient, some hundred at a time.

        A patient may come twice.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def fetch(
        self, partition: int, epoch: int, watermark: int | None, patients: Sequence[str]
    ) -> dict[str, bytes]:
        """Returns stored stays of an owner's partition by patient, of those that have one.

        Raises:
            Fenced: the store has another epoch or watermark.
            StoreUnavailable: the store does not answer.
        """

    def save(self, changes: Sequence[StateWrite]) -> None:
        """Applies each change whole or not at all, in one round trip.

        Raises:
            Fenced: at least one change was refused; the others may have been applied.
            StoreUnavailable: whether the changes were applied is unknown.
        """

    def find(self, patient: str, partitions: Sequence[int]) -> tuple[int, bytes] | None:
        """Returns a patient's partition and stored stay, for people who look.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def close(self) -> None:
        """Lets go of connections."""
