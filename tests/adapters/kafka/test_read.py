from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from bench.services import environment, settings_of
from streamer.adapters.kafka import read
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.read import follow, group_lag, last_values
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable, Output
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

NOWHERE = {"bootstrap_servers": ["127.0.0.1:1"], "bootstrap_timeout_ms": 500}


@pytest.fixture
def settings(stack: LocalStack, topic_prefix: str) -> Settings:
    """Topics of one partition with four committed risks, an aborted one between them."""
    settings = settings_of(environment(stack, topic_prefix, partitions=1))
    ensure_topics(settings)
    producer = BatchProducer(**settings.kafka_connection(), transactional_id=topic_prefix)
    producer.init_transactions()
    for keys, commit in ((b"pq", True), (b"p", False), (b"pq", True)):
        producer.begin_transaction()
        producer.send_all(
            [Output(settings.topic_risk, 0, bytes([key]), bytes([key]), ()) for key in keys]
        )
        if commit:
            producer.commit_transaction()
        else:
            producer.flush(10)
            producer.abort_transaction()
    producer.close()
    return settings


def test_committed_records_are_followed_until_the_stop(settings: Settings) -> None:
    stop, values = threading.Event(), []
    connection = settings.kafka_connection()
    for value in follow(connection, settings.topic_risk, stop, from_beginning=True):
        values.append(value)
        if len(values) == 4:
            stop.set()
    assert values == [b"p", b"q", b"p", b"q"]


def test_the_last_values_of_a_key(settings: Settings) -> None:
    def values(n_records: int) -> list[bytes]:
        return last_values(
            settings.kafka_connection(), settings.topic_risk, 0, b"p",
            n_records=n_records, deadline_s=30,
        )  # fmt: skip

    assert values(1_000) == [b"p", b"p"]
    assert values(1) == [], "the last offset is the marker of a transaction"


def test_a_group_that_never_committed_lags_by_every_kept_record(settings: Settings) -> None:
    connection = settings.kafka_connection()
    ends = 2 + 1 + 1 + 1 + 2 + 1  # records, and a marker after each transaction
    assert group_lag(connection, settings.group, settings.topic_risk, 1) == ends
    assert group_lag(connection, settings.group, settings.topic_vitals, 1) == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda: next(follow(NOWHERE, "t", threading.Event(), from_beginning=True)),
        lambda: last_values(NOWHERE, "t", 0, b"p", n_records=1, deadline_s=1),
        lambda: group_lag(NOWHERE, "g", "t", 1),
    ],
    ids=["follow", "last values", "group lag"],
)
def test_without_a_broker_the_log_is_unavailable(read: Callable[[], object]) -> None:
    with pytest.raises(LogUnavailable, match="Kafka"):
        read()


class NoCoordinator:
    """Stands for a consumer whose group's offsets have no leader: it would ask without end."""

    def __init__(self, committed: int | None = None, *, answers: bool) -> None:
        self._committed, self._answers = committed, answers

    def beginning_offsets(self, tps: list[TopicPartition], _timeout_ms: int) -> Any:
        return dict.fromkeys(tps, 3)

    def end_offsets(self, tps: list[TopicPartition], _timeout_ms: int) -> Any:
        return dict.fromkeys(tps, 10)

    def committed(self, _tp: TopicPartition, timeout_ms: int | None = None) -> int | None:
        return self._answer(self._committed, timeout_ms)

    def position(self, _tp: TopicPartition, timeout_ms: int | None = None) -> int | None:
        return self._answer(None, timeout_ms)

    def _answer(self, offset: int | None, timeout_ms: int | None) -> int | None:
        assert timeout_ms, "this waits for ever"
        if not self._answers:
            raise KafkaTimeoutError("no coordinator")
        return offset

    def close(self) -> None:
        pass


def test_a_group_whose_offsets_nobody_knows_is_no_endless_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lag(consumer: NoCoordinator) -> int:
        monkeypatch.setattr(read, "KafkaConsumer", lambda **_: consumer)
        return group_lag(NOWHERE, "g", "t", 2)

    with pytest.raises(LogUnavailable, match="no coordinator"):
        lag(NoCoordinator(answers=False))
    assert lag(NoCoordinator(None, answers=True)) == 2 * 7
    assert lag(NoCoordinator(0, answers=True)) == 2 * 10, "committed, before the first kept one"


def test_a_position_that_nobody_knows_is_a_timeout() -> None:
    for answers in (True, False):
        with pytest.raises(KafkaTimeoutError):
            read.position_of(NoCoordinator(answers=answers), TopicPartition("t", 0))


def test_no_question_to_a_broker_waits_for_ever() -> None:
    """kafka-python's `committed` and `position` have no end of their own."""
    folder = Path(read.__file__).parent
    calls = [
        (file.name, call)
        for file in sorted(folder.glob("*.py"))
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("committed", "position")
    ]
    assert len(calls) >= 3, "this test shows nothing"
    endless = [
        f"{name}:{call.lineno}" for name, call in calls if len(call.args) + len(call.keywords) < 2
    ]
    assert endless == []


class SilentReader:
    """A reader without records, whose broker is away for some questions."""

    def __init__(self, stop: threading.Event, answers: list[bool]) -> None:
        self._stop, self._answers = stop, answers

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        del timeout_ms
        if not self._answers:
            self._stop.set()
        return {}

    def assignment(self) -> set[TopicPartition]:
        return set()

    def end_offsets(self, _partitions: object, _timeout_ms: int) -> None:
        if self._answers and not self._answers.pop(0):
            raise KafkaTimeoutError("no answer")

    def close(self) -> None:
        pass


def test_who_follows_hears_that_the_broker_is_away_and_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = threading.Event()
    answers = [True, False, False, True, False, True, True]
    monkeypatch.setattr(read, "_SILENT_S", -1.0)
    monkeypatch.setattr(read, "partitions_of", lambda *_: {})
    monkeypatch.setattr(
        read, "committed_reader", lambda *_, **_options: SilentReader(stop, answers)
    )
    notes: list[str] = []
    assert not list(follow(NOWHERE, "t", stop, from_beginning=True, note=notes.append))
    assert ["no answer" in note for note in notes] == [True, False, True, False]
    assert (notes[1], notes[3]) == ("", "")
