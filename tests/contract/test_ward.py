"""The board's ports on the in-memory log and on a real Kafka."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streamer.adapters.kafka import ward as kafka_ward
from streamer.adapters.kafka.actions import KafkaActionLog, KafkaProgress
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.adapters.kafka.ward import KafkaWardLog
from streamer.adapters.memory.ward import MemoryWard
from streamer.core.time import HOUR_MS, MINUTE_MS
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable
from streamer.ports.ward import ActionLog, WardLog, WardRecord, WardTopics
from tests.support.wait import wait_until

DEADLINE_S = 30.0


def now_ms() -> int:
    return int(time.time() * 1000)


class Ward:
    """A log that tests write to as the service does."""

    topics: WardTopics
    actions: ActionLog

    def open(self) -> WardLog:
        raise NotImplementedError

    def write(self, topic: str, key: str, value: bytes | None, timestamp_ms: int) -> None:
        raise NotImplementedError


class Contract:
    """What both adapters of the port promise."""

    @pytest.fixture
    def ward(self) -> Iterator[Ward]:
        raise NotImplementedError

    def test_the_ward_is_loaded_once_and_then_followed(self, ward: Ward) -> None:
        now, topics = now_ms(), ward.topics
        ward.write(topics.stays, "old", b"stay", now - 900 * HOUR_MS)
        ward.write(topics.stays, "gone", None, now)
        ward.write(topics.risk, "p", b"too old", now - 26 * HOUR_MS)
        ward.write(topics.risk, "p", b"of today", now - 5 * HOUR_MS)
        ward.write(topics.risk, "p", b"of now", now)
        ward.write(topics.alerts, "p", b"too old", now - 49 * HOUR_MS)
        ward.write(topics.alerts, "p", b"start", now - 47 * HOUR_MS)
        with contextlib.closing(ward.open()) as log:
            loaded = [(r.topic, r.value) for batch in log.load(now) for r in batch]
            assert [value for topic, value in loaded if topic == topics.stays] == [b"stay", None]
            assert [value for topic, value in loaded if topic == topics.risk] == [
                b"of today", b"of now",
            ]  # fmt: skip
            assert [value for topic, value in loaded if topic == topics.alerts] == [b"start"]
            assert not log.poll(0), "everything was read"
            ward.write(topics.alerts, "p", b"end", now)
            ward.write(topics.stays, "p", b"another", now)
            followed: list[WardRecord] = []

            def read() -> bool:
                followed.extend(log.poll(0.1))
                return len(followed) == 2

            wait_until(read, DEADLINE_S, "what followed")
            assert {(r.topic, r.key, r.value) for r in followed} == {
                (topics.alerts, b"p", b"end"), (topics.stays, b"p", b"another"),
            }  # fmt: skip
            with contextlib.closing(ward.open()) as second:
                since = [r.value for b in second.alerts_since(now - HOUR_MS) for r in b]
            assert since == [b"end"]


class TestMemoryWard(Contract):
    @pytest.fixture
    def ward(self) -> Iterator[Ward]:
        yield _Memory()


class _Memory(Ward):
    def __init__(self) -> None:
        self._ward = MemoryWard()
        self.topics, self.actions = self._ward.topics, self._ward

    def open(self) -> WardLog:
        return self._ward.open()

    def write(self, topic: str, key: str, value: bytes | None, timestamp_ms: int) -> None:
        self._ward.records.append(WardRecord(topic, timestamp_ms, key.encode(), value))


class _Kafka(Ward):
    def __init__(self, address: str, prefix: str) -> None:
        self.connection = {"bootstrap_servers": [address]}
        self.topics = WardTopics(f"{prefix}stays", f"{prefix}risk", f"{prefix}alerts")
        self.vitals = f"{prefix}vitals"
        names = (*self.topics_listed(), self.vitals)
        keep = {"retention.ms": "-1"}
        ensure(self.connection, [TopicSpec(name, 2, keep) for name in names], 1)
        self.producer = KafkaProducer(**self.connection)
        self.actions = KafkaActionLog(lambda: self.connection, self.vitals)

    def topics_listed(self) -> Sequence[str]:
        return self.topics.stays, self.topics.risk, self.topics.alerts

    def open(self) -> WardLog:
        return KafkaWardLog(self.connection, self.topics)

    def write(self, topic: str, key: str, value: bytes | None, timestamp_ms: int) -> None:
        sent = self.producer.send(
            topic, value, key.encode(), timestamp_ms=timestamp_ms, partition=1
        )
        sent.get(timeout=10)


class TestKafkaWard(Contract):
    @pytest.fixture
    def ward(self, stack: LocalStack, topic_prefix: str) -> Iterator[_Kafka]:
        ward = _Kafka(stack.kafka, topic_prefix)
        yield ward
        ward.producer.close()
        ward.actions.close()

    def test_a_long_day_is_sampled_and_the_last_hour_is_read_in_full(
        self, ward: _Kafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kafka_ward, "_READ_IN_FULL", 10)
        now = now_ms()
        hour = now // HOUR_MS * HOUR_MS
        minutes = range(-180, 0)
        for minute in minutes:
            sent = ward.producer.send(
                ward.topics.risk, b"%d" % minute, b"p", timestamp_ms=now + minute * MINUTE_MS
            )
        sent.get(timeout=10)
        ward.producer.flush()
        with contextlib.closing(ward.open()) as log:
            values = [int(r.value or b"") for batch in log.load(now) for r in batch]
        assert values[-60:] == list(range(-60, 0))
        sampled = values[:-60]
        starts = [now + minute * MINUTE_MS - hour for minute in sampled]
        assert 1 <= len(sampled) <= 4, "one of each hour before"
        assert all(start % HOUR_MS < MINUTE_MS for start in starts)

    def test_an_action_is_on_its_partition_and_the_progress_of_the_group_is_known(
        self, ward: _Kafka, topic_prefix: str
    ) -> None:
        headers = [("action-mac", b"00")]
        offsets = [ward.actions.append(1, b"p", b"{}", headers, at) for at in (None, 5)]
        assert offsets == [0, 1]
        group = f"{topic_prefix}group"
        consumer = KafkaConsumer(**ward.connection, group_id=group, enable_auto_commit=False)
        with contextlib.closing(consumer):
            tp = TopicPartition(ward.vitals, 1)
            consumer.assign([tp])
            consumer.seek(tp, 0)
            polled = consumer.poll(timeout_ms=10_000)[tp]
            assert [(r.key, r.value, r.headers) for r in polled[:1]] == [(b"p", b"{}", headers)]
            consumer.commit()
        progress = KafkaProgress(lambda: ward.connection, ward.vitals, ward.topics.risk, group)
        with contextlib.closing(progress):
            answer = progress.ask()
        assert answer.ends == {0: 0, 1: 2}
        assert answer.committed == {0: None, 1: 2}
        assert answer.risk_ends == {0: 0, 1: 0}


def test_without_a_broker_each_question_ends_in_time() -> None:
    connection = {"bootstrap_servers": ["127.0.0.1:1"]}
    questions: list[Callable[[], object]] = [
        lambda: KafkaActionLog(lambda: connection, "t").append(0, b"k", b"v", [], None),
        KafkaProgress(lambda: connection, "t", "r", "g").ask,
    ]
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for answer in [pool.submit(ask) for ask in questions]:
            assert isinstance(answer.exception(), LogUnavailable)
    assert time.monotonic() - began < 10
