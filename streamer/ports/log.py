"""Port: the partitioned log that events come from and messages go to, in transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streamer.core.records import Records


class Output(NamedTuple):
    """One record to be written, stamped with the time of writing."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Topic:
    """The input topic: an identity that another topic of the same name has not, and its width."""

    topic_id: str
    n_partitions: int


@dataclass(slots=True)
class Polled:
    """What one poll brought.

    Attributes:
        gained: partitions that this process owns from now on.
        lost: partitions that it no longer owns; they come before ``gained`` and ``records``.
        records: in the order of the log within each partition, as columns.
        positions: the next offset to be read, for each partition that moved.
        left: how many offsets are yet to be read, for each partition of which that was asked anew.
        damaged: why a partition cannot be read on from where it is: its bytes are not those that
            were written. It is read again, unless it is paused; another answer may be whole.
        topic: the input topic as the log last described it, some seconds ago at most.
    """

    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    records: Records = field(default_factory=Records.of)
    positions: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)
    topic: Topic | None = None


class Interrupted(RuntimeError):
    """A transaction did not go through, or nobody knows whether it did.

    What was in it must be forgotten: take the partitions again and see how far the log says they
    are.
    """


class LogUnavailable(RuntimeError):
    """The log does not answer now; the same may be asked again."""


class EventLog(Protocol):
    """The input topic as one member of a consumer group, and a transactional way out."""

    def poll(self, timeout_s: float) -> Polled:
        """Waits for records or a change of the assignment, at most ``timeout_s``.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def committed(self, partition: int) -> int | None:
        """Returns the group's committed offset, ``None`` where it never committed.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def bounds(self, partition: int) -> tuple[int, int]:
        """Returns the first offset that is kept and the next one to be written.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def offset_at(self, partition: int, timestamp_ms: int) -> int | None:
        """Returns the first offset with at least this record timestamp, ``None`` if there is none.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def timestamp_at(self, partition: int, offset: int) -> int | None:
        """Returns the timestamp of the last record before ``offset``, ``None`` if there is none.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def seek(self, partition: int, offset: int) -> None:
        """Makes ``offset`` the next one to be read of an owned partition."""

    def pause(self, partitions: Sequence[int]) -> None:
        """Stops reading these partitions until they are resumed; membership stays alive."""

    def resume(self, partitions: Sequence[int]) -> None:
        """Reads these partitions again."""

    def transact(self, outputs: Sequence[Output], offsets: Mapping[int, int]) -> None:
        """Writes all outputs and commits ``offsets`` of the input, both or neither.

        Raises:
            Interrupted: neither happened, or nobody knows; call ``recover``.
        """

    def recover(self) -> None:
        """Readies the way out, at the beginning and again after ``Interrupted``.

        What was under way of this member, or of one before it of the same name, is settled then.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def topic(self) -> Topic:
        """Returns the input topic as it is now; one that is created anew has another identity.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def close(self) -> None:
        """Leaves the group and lets go of connections."""
