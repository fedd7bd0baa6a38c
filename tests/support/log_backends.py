"""A topic, its group and its readers, on the memory adapter and on Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove

from bench.broken_records import NotUtf8
from streamer.adapters.kafka.log import KafkaLog
from streamer.adapters.kafka.options import KafkaOptions
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.core.records import Record
from streamer.local import LocalStack
from streamer.ports.log import EventLog, Output
from tests.support.wait import wait_until

N = 2  # partitions
POLL_RECORDS = 2_000  # most that a poll returns
TIME_MS = 1_700_000_000_000
SESSION_MS = 6_000  # the least that a broker allows
# A rebalance waits for members that were closed badly for as long as their session lasts.
DEADLINE_S = 60.0


class LogBackend:
    """A topic, its group and the topic that outputs go to, behind either adapter."""

    out: str

    def member(self) -> EventLog:
        raise NotImplementedError

    def send(self, partition: int, n: int = 1) -> None:
        """Appends records whose value is their offset and whose time is a second each."""
        raise NotImplementedError

    def send_unreadable(self, partition: int) -> None:
        """Appends a record that no parser accepts."""
        raise NotImplementedError

    def output_values(self) -> list[bytes | None]:
        """The values in the output topic, of committed transactions only."""
        raise NotImplementedError

    def recreate(self) -> None:
        raise NotImplementedError

    def add_partition(self) -> None:
        """Adds a partition to the topic."""
        raise NotImplementedError

    def expel(self) -> None:
        """Removes all members from the group without telling them."""
        raise NotImplementedError

    def output(self, value: bytes) -> Output:
        return Output(self.out, 0, b"k", value, [("h", b"1")])


class MemoryLogBackend(LogBackend):
    out = "risk"

    def __init__(self) -> None:
        self.broker = MemoryBroker(N)

    def member(self) -> EventLog:
        member = MemoryLog(self.broker, POLL_RECORDS)
        member.recover()
        return member

    def send(self, partition: int, n: int = 1) -> None:
        for _ in range(n):
            offset = len(self.broker.partitions[partition])
            self.broker.append(partition, b"p", b"%d" % offset, TIME_MS + 1000 * offset)

    def send_unreadable(self, partition: int) -> None:
        self.broker.append_unreadable(partition, b"content", "the name of a header is not UTF-8")

    def output_values(self) -> list[bytes | None]:
        return [output.value for output in self.broker.outputs]

    def recreate(self) -> None:
        self.broker.recreate()

    def add_partition(self) -> None:
        self.broker.add_partition()

    def expel(self) -> None:
        for member in list(self.broker.members):
            self.broker.expel(member)


class KafkaLogBackend(LogBackend):
    def __init__(self, stack: LocalStack, prefix: str) -> None:
        self.connection = {"bootstrap_servers": [stack.kafka]}
        self.prefix = prefix
        self.vitals, self.out = f"{prefix}vitals", f"{prefix}risk"
        # Records of these tests are older than any retention, and brokers delete by their stamps.
        forever = {"retention.ms": "-1"}
        self.topics = [TopicSpec(self.vitals, N, forever), TopicSpec(self.out, 1, {})]
        ensure(self.connection, self.topics, 1)
        self.producer = KafkaProducer(**self.connection)
        self.members: list[KafkaLog] = []
        self.sent = [0] * N

    def member(self, **more: Any) -> KafkaLog:
        options = KafkaOptions(
            self.connection,
            self.vitals,
            f"{self.prefix}group",
            f"{self.prefix}{len(self.members)}",
            [self.out],
            session_timeout_ms=SESSION_MS,
            max_poll_records=POLL_RECORDS,
            **more,
        )
        self.members.append(KafkaLog(options))
        self.members[-1].recover()
        return self.members[-1]

    def send(self, partition: int, n: int = 1) -> None:
        for _ in range(n):
            offset = self.sent[partition]
            self.sent[partition] += 1
            self.producer.send(
                self.vitals, b"%d" % offset, b"p", None, partition, TIME_MS + 1000 * offset
            )
        self.producer.flush()

    def send_unreadable(self, partition: int) -> None:
        self.sent[partition] += 1
        header = (NotUtf8("name"), b"value")
        self.producer.send(self.vitals, b"content", b"p", [header], partition, TIME_MS)
        self.producer.flush()

    def output_values(self) -> list[bytes | None]:
        reader = KafkaConsumer(
            **self.connection, isolation_level="read_committed", enable_auto_commit=False
        )
        with contextlib.closing(reader):
            tp = TopicPartition(self.out, 0)
            reader.assign([tp])
            reader.seek_to_beginning(tp)
            end = reader.end_offsets([tp])[tp]
            values: list[bytes | None] = []

            def at_the_end() -> bool:
                values.extend(r.value for r in reader.poll(timeout_ms=100).get(tp, []))
                return bool(reader.position(tp) >= end)

            wait_until(at_the_end, DEADLINE_S, "reading the output")
        return values

    def recreate(self) -> None:
        with contextlib.closing(KafkaAdminClient(**self.connection)) as admin:
            admin.delete_topics([self.vitals])
            wait_until(lambda: self.vitals not in admin.list_topics(), DEADLINE_S, "deletion")
        ensure(self.connection, self.topics, 1)

    def add_partition(self) -> None:
        with contextlib.closing(KafkaAdminClient(**self.connection)) as admin:
            admin.create_partitions({self.vitals: N + 1})

    def expel(self) -> None:
        """Removes all members as an operator would, without telling them."""
        with contextlib.closing(KafkaAdminClient(**self.connection)) as admin:
            group = f"{self.prefix}group"
            members = admin.describe_groups([group])[group]["members"]
            removed = [MemberToRemove(member_id=one["member_id"]) for one in members]
            admin.remove_group_members(group, removed)

    def members_of_the_group(self) -> list[object]:
        """The members of the group, as the broker lists them."""
        with contextlib.closing(KafkaAdminClient(**self.connection)) as admin:
            group = f"{self.prefix}group"
            return list(admin.describe_groups([group])[group]["members"])

    def close(self) -> None:
        self.producer.close()
        for member in self.members:
            member.close()


def wait_for_partitions(
    member: EventLog, want: int = N, others: Sequence[EventLog] = ()
) -> list[int]:
    """Polls until a member owns ``want`` partitions; seeks to the committed offset of new ones."""
    owned: set[int] = set()

    def enough() -> bool:
        for other in others:
            other.poll(0.2)
        polled = member.poll(0.2)
        owned.difference_update(polled.lost)
        owned.update(polled.gained)
        for partition in polled.gained:
            member.seek(partition, member.committed(partition) or 0)
        return len(owned) == want

    wait_until(enough, DEADLINE_S, f"owning {want} partitions")
    return sorted(owned)


def read(member: EventLog, n: int) -> list[Record]:
    records: list[Record] = []

    def enough() -> bool:
        records.extend(member.poll(0.2).records)
        return len(records) >= n

    wait_until(enough, DEADLINE_S, f"{n} records")
    return records
