"""Port: the partitioned log that events are read from and messages are written to.

An offset counts the records of one partition. Three offsets say how far a partition has come:

- The position is the next offset that ``poll`` reads. It exists in this process alone.
- C, the committed offset, is kept by the log for the consumer group. All messages for events before
  C are written: ``transact`` writes messages and moves C in one transaction.
- W, the watermark, is the first offset that the saved states do not include. It is kept by the
  state store (``ports.states``), and a save moves it after the transaction.

Outside of a replay W <= C <= position. A process that ends between transaction and save leaves
W < C. The next owner then reads from W: events before C change states and cause no message, because
their messages are written; events from C on do both. C < W cannot come about in this order, so the
take-over blocks such a partition (``service.takeover``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streamer.core.records import Records


class Output(NamedTuple):
    """One record to be written; its timestamp is the time of writing, as the log has it.

    ``common`` are headers that come before its own ``headers``. Many outputs share one object, so
    that a log may encode it once.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    common: Sequence[tuple[str, bytes]] = ()

    @property
    def all_headers(self) -> list[tuple[str, bytes]]:
        """The headers as a reader of the log gets them."""
        return [*self.common, *self.headers]


@dataclass(frozen=True, slots=True)
class Topic:
    """The input topic: its id, which changes if the topic is created anew, and its width."""

    topic_id: str
    n_partitions: int


@dataclass(slots=True)
class Polled:
    """Records and changes of the assignment from one poll.

    Attributes:
        gained: partitions that this process owns from now on.
        lost: partitions that it no longer owns; they come before ``gained`` and ``records``.
        records: in the order of the log within each partition, as columns.
        positions: the next offset to be read, for each partition that moved. It may move without a
            record: past the markers of transactions.
        left: number of offsets yet to be read, for each partition whose end was looked up.
        damaged: the fault of each partition whose next bytes are not those that were written. It is
            read again unless it is paused; the next answer may be whole.
        gone: partitions whose next offset the log does not hold any more.
        is_spare: this process is in the group, and others have all partitions.
        topic: the input topic as the log last described it, some seconds ago at most.
        left_out: optional output topics that this user may not write, or that are missing: what is
            written to them is left out, until it can be.
    """

    gained: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    records: Records = field(default_factory=Records.of)
    positions: dict[int, int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    is_spare: bool = False
    topic: Topic | None = None
    left_out: frozenset[str] = frozenset()


class Interrupted(RuntimeError):
    """A transaction did not go through, or its outcome is unknown.

    The caller must forget its content, take the partitions again and ask the log for C.
    """


class MembershipLost(Interrupted):
    """The group has moved on without this member: its partitions have other owners by now."""


class NameTaken(Interrupted):
    """Another process has begun to work under this member's name."""


class LogUnavailable(RuntimeError):
    """The log does not answer now; the call may be repeated."""


class LogNotAllowed(LogUnavailable):
    """The log refuses: a password or a right is missing. It passes when somebody grants it."""


class TransactionNotAllowed(Interrupted):
    """A transaction did not go through, because the log refuses it: a right is missing."""


class EventLog(Protocol):
    """The input topic as one member of a consumer group, and transactional output.

    The module's docstring explains the offsets.
    """

    def poll(self, timeout_s: float) -> Polled:
        """Waits for records or a change of the assignment, at most ``timeout_s``.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def committed(self, partition: int) -> int | None:
        """Returns C, the group's committed offset; ``None`` where it never committed.

        Raises:
            LogUnavailable: the log does not answer, or a transaction that moves it is open. It does
                not wait for its end: ask again later.
        """

    def bounds(self, partition: int) -> tuple[int, int]:
        """Returns the first offset that is kept, and the next one to be written.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def offset_at(self, partition: int, timestamp_ms: int) -> int | None:
        """Returns the first offset with this record timestamp or a later one, ``None`` if none has.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def timestamp_at(self, partition: int, offset: int) -> int | None:
        """Returns the timestamp of the last record before ``offset``, ``None`` if there is none.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def seek(self, partition: int, offset: int) -> None:
        """Sets the position of an owned partition: ``offset`` is read next."""

    def pause(self, partitions: Sequence[int]) -> None:
        """Stops reading these partitions until they are resumed; the membership goes on."""

    def resume(self, partitions: Sequence[int]) -> None:
        """Reads these partitions again."""

    def noted(self, partition: int) -> str | None:
        """Returns the note that was committed with C, as ``committed`` has last found it.

        ``None`` without C, and before the first ``committed``.
        """

    def noted_elsewhere(self, partition: int) -> str | None:
        """Returns the note of the first other partition of the topic that has one.

        An empty one counts; a partition whose offset is not settled has none.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def transact(
        self,
        outputs: Sequence[Output],
        offsets: Mapping[int, int],
        notes: Mapping[int, str] | None = None,
    ) -> None:
        """Writes all outputs and commits ``offsets`` of the input, both or neither.

        Outputs to topics that are left out (``Polled``) are dropped: they must not fail the others.

        Args:
            outputs: the records.
            offsets: C of each partition from now on.
            notes: a short text to be kept with the offset of a partition.

        Raises:
            MembershipLost: neither happened; call ``recover``.
            NameTaken: neither happened; call ``recover``.
            Interrupted: neither happened, or the outcome is unknown; call ``recover``. The message
                has the broker's own words.
        """

    def recover(self) -> None:
        """Prepares ``transact``, at the beginning and again after ``Interrupted``.

        Ends any open transaction of this member, or of an earlier one of the same name.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def topic(self) -> Topic:
        """Returns the input topic as it is now; one that was created anew has another id.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def close(self) -> None:
        """Leaves the group and closes the connections."""
