"""The in-memory twin of `adapters.kafka.log`: same contract, one process, failures on demand."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from streamer.core.records import Record, Records
from streamer.core.time import PLAUSIBLE_MS
from streamer.ports.log import (
    Interrupted,
    LogUnavailable,
    MembershipLost,
    Output,
    Polled,
    Topic,
    TransactionNotAllowed,
)

_FIRST_TIMESTAMP_MS: Final = 1_700_000_000_000  # any time will do; the same one in every run


class MemoryBroker:
    """One input topic, one consumer group, and the records of committed transactions.

    Attributes:
        partitions: records of the input, by partition; a record's index is its offset.
        first: the first offset that is kept, by partition.
        committed: the group's offsets.
        notes: what was committed with them.
        outputs: records of committed transactions as readers get them, in the order of the commits.
        topic_id: id of the input topic.
        members: members of the group; a member's index decides which partitions it owns.
        generation: rises whenever the members change; a commit of an earlier one is refused.
        holders: the member that last learned that it owns a partition.
        damaged: (partition, offset) pairs at which nothing can be read.
        unreadable: the fault of bytes that are not a record, by partition and offset.
        denied: topics that nobody may write.
        unsettled: partitions whose offsets a transaction that is open may still move.
    """

    def __init__(self, n_partitions: int) -> None:
        self.partitions: list[list[Record]] = [[] for _ in range(n_partitions)]
        self.first = [0] * n_partitions
        self.committed: dict[int, int] = {}
        self.notes: dict[int, str] = {}
        self.outputs: list[Output] = []
        self.topic_id = str(uuid.uuid4())
        self.members: list[MemoryLog] = []
        self.generation = 0
        self.holders: dict[int, MemoryLog] = {}
        self.damaged: set[tuple[int, int]] = set()
        self.unreadable: dict[tuple[int, int], str] = {}
        self.denied: set[str] = set()
        self.unsettled: set[int] = set()
        self._markers: set[tuple[int, int]] = set()

    def append(
        self,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int | None = None,
        traceparent: bytes | None = None,
    ) -> int:
        """Appends a record to an input partition and returns its offset."""
        records = self.partitions[partition]
        if timestamp_ms is None:
            timestamp_ms = _FIRST_TIMESTAMP_MS + len(records)
        offset = len(records)
        records.append(Record(partition, offset, timestamp_ms, key, value, traceparent))
        return offset

    def append_unreadable(self, partition: int, content: bytes, why: str) -> int:
        """Appends bytes that are not a record to a partition and returns their offset."""
        offset = self.append(partition, None, content)
        self.unreadable[partition, offset] = why
        return offset

    def append_marker(self, partition: int) -> int:
        """Appends the marker of a transaction, which takes an offset and is no record."""
        offset = self.append(partition, None, None)
        self._markers.add((partition, offset))
        return offset

    def is_record(self, record: Record) -> bool:
        """Whether it is a record, and no transaction's marker."""
        return (record.partition, record.offset) not in self._markers

    def recreate(self) -> None:
        """Deletes the input topic with the group's offsets, and creates it again, empty."""
        n_partitions = len(self.partitions)
        self.partitions = [[] for _ in range(n_partitions)]
        self.first = [0] * n_partitions
        self.committed.clear()
        self.topic_id = str(uuid.uuid4())

    def add_partition(self) -> None:
        """Adds an empty partition to the input topic; the group rebalances."""
        self.partitions.append([])
        self.first.append(0)
        self.generation += 1

    @property
    def topic(self) -> Topic:
        """The input topic as it is now."""
        return Topic(self.topic_id, len(self.partitions))

    def owned_by(self, member: MemoryLog) -> set[int]:
        """Returns a member's partitions: every n-th one for n members."""
        if member not in self.members:
            return set()
        first = self.members.index(member)
        return set(range(first, len(self.partitions), len(self.members)))

    def join(self, member: MemoryLog) -> None:
        """Begins a membership; the others learn of it when they poll."""
        self.members.append(member)
        self.generation += 1

    def expel(self, member: MemoryLog) -> None:
        """Ends a membership as a session timeout does: the member learns of it at its next call."""
        if member in self.members:
            self.members.remove(member)
            self.generation += 1
            self.holders = {p: holder for p, holder in self.holders.items() if holder is not member}


class MemoryLog:
    """One member of the group of a broker.

    Attributes:
        available: set false to simulate a log that does not answer.
        allowed: set false to take away the right to write.
        refuse_next: the next transaction is refused and has no effect.
        refusal: while set, every transaction is refused, for this reason.
        lose_next_answer: the next transaction is committed, but its answer is lost.

    Args:
        broker: shared by all members.
        max_poll_records: most records that one poll returns.
        optional: topics that a transaction does without where they are denied.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        max_poll_records: int = 2_000,
        optional: Collection[str] = (),
    ) -> None:
        self._broker = broker
        self._optional = frozenset(optional)
        self._left_out: frozenset[str] = frozenset()
        self._max = max_poll_records
        self._owned: set[int] = set()
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()
        self._broken = True
        self._generation = -1
        self.available = True
        self.allowed = True
        self.refuse_next = False
        self.refusal: Interrupted | None = None
        self.lose_next_answer = False
        broker.join(self)

    def poll(self, timeout_s: float) -> Polled:
        """See ``EventLog``; never waits."""
        del timeout_s
        self._ask()
        broker = self._broker
        if self not in broker.members:
            broker.join(self)
        self._generation = broker.generation
        now = broker.owned_by(self)
        # A partition that another member owned in between is lost, even if it is back by now.
        lost = {p for p in self._owned if p not in now or broker.holders.get(p) is not self}
        gained = now - (self._owned - lost)
        broker.holders.update(dict.fromkeys(gained, self))
        self._owned = now
        self._paused -= lost
        for partition in lost:
            self._positions.pop(partition, None)
        is_spare = not now and len(broker.members) > len(broker.partitions)
        self._left_out &= broker.denied
        polled = Polled(
            sorted(gained), sorted(lost), is_spare=is_spare, topic=broker.topic,
            left_out=self._left_out,
        )  # fmt: skip
        read: list[Record] = []
        # A partition that was gained in this poll has no position yet.
        for partition in sorted(now & self._positions.keys()):
            start = self._positions[partition]
            polled.left[partition] = len(broker.partitions[partition]) - start
            if partition in self._paused:
                continue
            if start < broker.first[partition]:
                polled.gone.add(partition)
                continue
            room = self._max - len(read)
            if (partition, start) in broker.damaged:
                polled.damaged[partition] = f"offset {start} is damaged"
                continue
            records = broker.partitions[partition][start : start + room]
            whole = (i for i, r in enumerate(records) if (partition, r.offset) in broker.damaged)
            records = records[: next(whole, None)]
            if records:
                read += filter(broker.is_record, records)
                polled.positions[partition] = self._positions[partition] = start + len(records)
            end = len(broker.partitions[partition])
            polled.left[partition] = end - self._positions[partition]
        polled.records = Records.of(read)
        for i, record in enumerate(read):
            if (why := broker.unreadable.get((record.partition, record.offset))) is not None:
                polled.records.unreadable[i] = why
        return polled

    def committed(self, partition: int) -> int | None:
        """See ``EventLog``."""
        self._ask()
        if partition in self._broker.unsettled:
            raise LogUnavailable(f"a transaction that moves partition {partition} is open")
        return self._broker.committed.get(partition)

    def bounds(self, partition: int) -> tuple[int, int]:
        """See ``EventLog``."""
        self._ask()
        return self._broker.first[partition], len(self._broker.partitions[partition])

    def offset_at(self, partition: int, timestamp_ms: int) -> int | None:
        """See ``EventLog``."""
        return next(
            (r.offset for r in self._kept(partition) if r.timestamp_ms >= timestamp_ms), None
        )

    def timestamp_at(self, partition: int, offset: int) -> int | None:
        """See ``EventLog``."""
        before = [r.timestamp_ms for r in self._kept(partition) if r.offset < offset]
        return next((ms for ms in reversed(before) if ms <= PLAUSIBLE_MS), None)

    def seek(self, partition: int, offset: int) -> None:
        """See ``EventLog``."""
        if partition in self._owned:
            self._positions[partition] = offset

    def pause(self, partitions: Sequence[int]) -> None:
        """See ``EventLog``."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[int]) -> None:
        """See ``EventLog``."""
        self._paused.difference_update(partitions)

    def noted(self, partition: int) -> str | None:
        """See ``EventLog``."""
        return self._broker.notes.get(partition)

    def noted_elsewhere(self, partition: int) -> str | None:
        """See ``EventLog``."""
        self._ask()
        others = self._broker.committed.keys() - {partition} - self._broker.unsettled
        return self._broker.notes.get(min(others), "") if others else None

    def transact(
        self,
        outputs: Sequence[Output],
        offsets: Mapping[int, int],
        notes: Mapping[int, str] | None = None,
    ) -> None:
        """See ``EventLog``."""
        refused, self.refuse_next = self.refuse_next, False
        outputs = [output for output in outputs if output.topic not in self._left_out]
        if not self.allowed or any(output.topic in self._broker.denied for output in outputs):
            self._broken = True
            raise TransactionNotAllowed("the log does not allow this user to write")
        is_answer_lost, self.lose_next_answer = self.lose_next_answer, False
        if not self.available or self._broken or refused:
            self._broken = True
            raise Interrupted("the transaction was refused")
        if self.refusal is not None:
            self._broken = True
            raise self.refusal
        if self._generation != self._broker.generation:
            self._broken = True
            raise MembershipLost("the group has moved on without this member")
        self._broker.outputs += [
            output._replace(headers=output.all_headers, common=()) for output in outputs
        ]
        self._broker.committed.update(offsets)
        self._broker.notes.update({p: (notes or {}).get(p, "") for p in offsets})
        if is_answer_lost:
            self._broken = True
            raise Interrupted("the outcome of the transaction is unknown")

    def recover(self) -> None:
        """See ``EventLog``."""
        self._ask()
        self._left_out = self._optional & self._broker.denied
        self._broken = False

    def topic(self) -> Topic:
        """See ``EventLog``."""
        self._ask()
        return self._broker.topic

    def close(self) -> None:
        """See ``EventLog``."""
        self._broker.expel(self)

    def _kept(self, partition: int) -> itertools.islice[Record]:
        self._ask()
        first = self._broker.first[partition]
        return itertools.islice(self._broker.partitions[partition], first, None)

    def _ask(self) -> None:
        if not self.available:
            raise LogUnavailable("the memory log is switched off")
