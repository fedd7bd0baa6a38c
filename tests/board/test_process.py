"""`streamer board` as people start it, on the real Kafka."""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.board import BOARD
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka.topics import TopicSpec
from streamer.core.alert_messages import Content
from streamer.core.time import rfc3339
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.support.board import ACTION_ID, action
from tests.support.running_service import START_DEADLINE_S
from tests.support.wait import wait_until

DEADLINE_S = 30.0
ALERT_ID = "p1/2026-01-01T09:00:00Z/1"


class Board:
    """A running board and the topics that it reads."""

    def __init__(self, settings: Settings, process: ServiceProcess) -> None:
        self._settings, self._process = settings, process
        self._producer = KafkaProducer(**settings.kafka_connection())
        self.url = ""

    def write(self, topic: str, **content: Any) -> None:
        now = rfc3339(time.time_ns() // 1_000_000)
        message = {"patient_id": "p1", "time": now, "partition": 1, "offset": 0, **content}
        sent = self._producer.send(topic, orjson.dumps(message), b"p1", partition=1)
        sent.get(timeout=10)

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json", "X-Vigil": "1", "Origin": self.url}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, json.load(answer)

    def card(self) -> Content | None:
        cards: list[Content] = self.ask("/api/board")[1]["cards"]
        return cards[0] if cards else None

    def wait_for_address(self) -> None:
        def address() -> re.Match[str] | None:
            assert self._process.exit_code is None, self._process.log
            return re.search(r"The board: (http://127\.0\.0\.1:\d+)/", self._process.log)

        address_line = wait_until(address, START_DEADLINE_S, "the address of the board")
        assert address_line is not None
        self.url = address_line[1]

    def close(self) -> None:
        self._producer.close()


@pytest.fixture
def board(stack: LocalStack, topic_prefix: str, tmp_path: Path) -> Iterator[Board]:
    variables = environment(
        stack, topic_prefix, partitions=2, board_auth="none", board_http_port=0, action_key="key"
    )
    settings = settings_of(variables)
    ensure_topics(settings)
    ensure_topics(settings, [TopicSpec(settings.topic_stays, 2, {})])
    process = ServiceProcess(variables, tmp_path / "board.log", "--port=0", command=BOARD)
    with contextlib.closing(Board(settings, process)) as board:
        board.write(settings.topic_stays, ward="A", bed="4", label="Label")
        with running([process]):
            board.wait_for_address()
            yield board
            code, seconds = process.terminate()
            assert (code, seconds < 5) == (0, True), process.log


def test_an_alert_is_answered_and_the_answer_is_an_event_of_the_patient(
    board: Board, stack: LocalStack, topic_prefix: str
) -> None:
    wait_until(board.card, DEADLINE_S, "the patient of `stays`")
    board.write(f"{topic_prefix}alerts", alert_id=ALERT_ID, phase="start", revision=1, state="open")
    wait_until(lambda: (board.card() or {})["state"] == "open", DEADLINE_S, "the alert")
    answer = board.ask("/api/alerts/actions", action(alert_id=ALERT_ID))
    assert answer == (202, {"action_id": ACTION_ID, "partition": 1, "offset": 0})
    consumer = KafkaConsumer(
        bootstrap_servers=stack.kafka, isolation_level="read_committed", enable_auto_commit=False
    )
    with contextlib.closing(consumer):
        tp = TopicPartition(f"{topic_prefix}vitals", 1)
        consumer.assign([tp])
        consumer.seek(tp, 0)
        (record,) = consumer.poll(timeout_ms=10_000)[tp]
    assert record.key == b"p1"
    content = json.loads(record.value)
    assert (content["type"], content["action"], content["alert_id"]) == (
        "action", "acknowledge", ALERT_ID,
    )  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{64}", dict(record.headers)["action-mac"].decode())
    assert board.ask("/api/board")[1]["system"]["kafka"] == "ok"
