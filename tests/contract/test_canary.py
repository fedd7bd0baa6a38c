"""The canary's port on the in-memory log and on a real Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest
from kafka import KafkaProducer
from kafka.admin import NewPartitions

from streamer.adapters.kafka.canary import KafkaCanaryLog
from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.read import committed_reader
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.adapters.memory.canary import MemoryCanaryLog
from streamer.adapters.memory.log import MemoryBroker
from streamer.local import LocalStack
from streamer.ports.canary import CanaryLog, Heard, Widths
from streamer.ports.log import LogUnavailable, Output
from tests.support.wait import wait_until

DEADLINE_S = 30.0
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RISK, ALERTS = "risk.canary", "alerts.canary"


class World:
    """A log that tests write to as the service does, and read as it does."""

    log: CanaryLog

    def answer(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        raise NotImplementedError

    def sent(self) -> list[tuple[int, bytes | None, bytes | None, bytes | None]]:
        raise NotImplementedError

    def widen(self) -> None:
        """Adds a partition to each topic."""
        raise NotImplementedError


class Contract:
    """What both adapters of the port promise."""

    @pytest.fixture
    def world(self) -> Iterator[World]:
        raise NotImplementedError

    def test_it_sends_by_key_and_hears_what_follows(self, world: World) -> None:
        log = world.log
        world.answer(RISK, 0, b"before", b"0")
        assert log.poll(0) == [], "nothing is heard before the first look"
        assert log.widths() == Widths(2, 2)
        key = next(k for k in (f"~canary/i/1/{i}".encode() for i in range(50))
                   if log.partition_of(k) == 1)  # fmt: skip
        log.send(key, [b"1", b"2", b"3"], TRACE)
        wait_until(lambda: len(world.sent()) == 3, DEADLINE_S, "what was sent")
        assert world.sent() == [(1, key, value, TRACE) for value in (b"1", b"2", b"3")]

        world.answer(RISK, 1, key, b"risk")
        world.answer(ALERTS, 0, b"other", b"start")
        heard: list[Heard] = []

        def hear(n: int) -> bool:
            heard.extend(log.poll(0.1))
            return len(heard) >= n

        wait_until(lambda: hear(2), DEADLINE_S, "the answers")
        assert sorted(heard) == [
            Heard("alert", 0, b"other", b"start", TRACE), Heard("risk", 1, key, b"risk", TRACE),
        ]  # fmt: skip

        world.widen()
        assert log.widths() == Widths(3, 3)
        world.answer(RISK, 2, b"new", b"of the new partition")
        world.answer(RISK, 0, b"old", b"of an old one")
        wait_until(lambda: hear(4), DEADLINE_S, "answers on all partitions")
        assert {record.key for record in heard[2:]} == {b"new", b"old"}, "each once"


class _Memory(World):
    def __init__(self) -> None:
        self.broker = MemoryBroker(2)
        self.log = MemoryCanaryLog(self.broker, RISK, ALERTS)

    def answer(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        self.broker.outputs.append(Output(topic, partition, key, value, [("traceparent", TRACE)]))

    def sent(self) -> list[tuple[int, bytes | None, bytes | None, bytes | None]]:
        return [
            (r.partition, r.key, r.value, r.traceparent)
            for records in self.broker.partitions
            for r in records
        ]

    def widen(self) -> None:
        self.broker.add_partition()


class TestMemoryCanary(Contract):
    @pytest.fixture
    def world(self) -> Iterator[World]:
        yield _Memory()

    def test_a_log_that_is_away_is_said(self) -> None:
        world = _Memory()
        world.log.available = False  # type: ignore[attr-defined]
        with pytest.raises(LogUnavailable):
            world.log.widths()


class _Kafka(World):
    def __init__(self, address: str, prefix: str) -> None:
        self.connection = {"bootstrap_servers": [address]}
        self.vitals = f"{prefix}vitals"
        self.names = {name: f"{prefix}{name}" for name in (RISK, ALERTS)}
        self.all = (self.vitals, *self.names.values())
        ensure(self.connection, [TopicSpec(name, 2, {}) for name in self.all], 1)
        self.log: KafkaCanaryLog = KafkaCanaryLog(
            lambda: self.connection, self.vitals, self.names[RISK], self.names[ALERTS]
        )
        self.producer = KafkaProducer(**self.connection)
        self._reader = committed_reader(self.connection, self.vitals)
        self._sent: list[tuple[int, bytes | None, bytes | None, bytes | None]] = []

    def answer(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        headers: Sequence[tuple[str, bytes]] = [("traceparent", TRACE)]
        self.producer.send(
            self.names[topic], value, key, partition=partition, headers=list(headers)
        ).get(timeout=10)

    def sent(self) -> list[tuple[int, bytes | None, bytes | None, bytes | None]]:
        for records in self._reader.poll(timeout_ms=100).values():
            self._sent += [
                (r.partition, r.key, r.value, dict(r.headers)["traceparent"]) for r in records
            ]
        return self._sent

    def widen(self) -> None:
        with contextlib.closing(TidyAdmin(**self.connection)) as admin:
            admin.create_partitions({name: NewPartitions(total_count=3) for name in self.all})
        self.producer.close()
        self.producer = KafkaProducer(**self.connection)

    def close(self) -> None:
        self.producer.close()
        self._reader.close()
        self.log.close()


class TestKafkaCanary(Contract):
    @pytest.fixture
    def world(self, stack: LocalStack, topic_prefix: str) -> Iterator[_Kafka]:
        world = _Kafka(stack.kafka, topic_prefix)
        yield world
        world.close()

    def test_topics_that_are_missing_are_named(self, stack: LocalStack, topic_prefix: str) -> None:
        names = [f"{topic_prefix}{name}" for name in ("v", "r", "a")]
        connection = {"bootstrap_servers": [stack.kafka]}
        with (
            contextlib.closing(KafkaCanaryLog(lambda: connection, *names)) as log,
            pytest.raises(LogUnavailable, match="streamer topics"),
        ):
            log.widths()
