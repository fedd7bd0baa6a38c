"""Port: the store of the states of stays, fenced by epoch and watermark.

W, the watermark, and its relation to the other offsets: ``ports.log``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a partition, and the stored account of its states.

    Attributes:
        epoch: the owner's; every owner before it is fenced from now on.
        watermark: W; ``None`` where no state was ever saved, or all states were lost.
        model_id: the model that steps the partition.
        swaps: how many models did before.
        log_id: the id of the input topic that the watermark counts in.
    """

    epoch: int
    watermark: int | None
    model_id: str | None
    swaps: int
    log_id: str | None


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One atomic change of the states of one partition.

    Attributes:
        partition: the input partition.
        epoch: the owner's; the change is refused if the store has another.
        expected: W that the store must have (``None``: none yet).
        watermark: W after the change; ``None`` while stays are being restored, which are whole
            together only once a write has a watermark.
        model_id: the model that steps the partition.
        swaps: how many models did before.
        log_id: the id of the input topic.
        changed: stored stays by patient.
        removed: patients whose stay has ended; the partition is no longer their home.
    """

    partition: int
    epoch: int
    expected: int | None
    watermark: int | None
    model_id: str
    swaps: int
    log_id: str
    changed: Mapping[str, bytes]
    removed: Sequence[str] = ()


class Fenced(RuntimeError):
    """Another owner has taken the partition, or its watermark is not what this owner left."""


class HomesLost(RuntimeError):
    """The store may lack home partitions of patients who have a stay: no new one is given.

    So it is in a store that is new, and in one that has lost them.
    """


class StoreUnavailable(RuntimeError):
    """The store does not answer or does not take writes now; the call may be repeated."""


class StoreSilent(StoreUnavailable):
    """The store takes calls and answers none: each of them waits for its full time-out."""


class StoreNotAllowed(StoreUnavailable):
    """The store refuses: a password or a right is missing. It passes when somebody grants it."""


class StoreReadOnly(StoreUnavailable):
    """The store does not take writes: it is a replica."""


class StateStore(Protocol):
    """States of stays by input partition."""

    def take(self, partition: int) -> Lease:
        """Becomes the owner of a partition.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """Returns the number of partitions that an input topic had when it was first taken.

        Args:
            log_id: the id of the topic.
            n_partitions: the number that it has now; stored if none was before.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def claim_partition(
        self,
        log_id: str,
        partition: int,
        epoch: int,
        patients: Sequence[str],
        *,
        are_new: bool = False,
    ) -> dict[str, int]:
        """Makes a partition the home partition of those patients who have none.

        Args:
            log_id: the id of the input topic; each topic has home partitions of its own.
            partition: of this topic.
            epoch: of its owner; an owner before it does not end these homes any more.
            patients: patients whose events came in there.
            are_new: whether no stay of theirs is known: then they get a home only if the store has
                those of all others.

        Returns:
            The home partition of each patient for whom it is another one.

        Raises:
            HomesLost: one of the new patients has no home, and ``complete_homes`` was not called.
            StoreUnavailable: the store does not answer.
        """

    def complete_homes(self, log_id: str) -> None:
        """Notes that the store has the home partition of each patient who has a stay.

        That holds until it loses them: the note is lost with them.

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
        """Returns stored stays of an owner's partition by patient, without patients who have none.

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
        """Returns a patient's partition and stored stay, for commands that show a patient.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    def close(self) -> None:
        """Closes the connections."""
