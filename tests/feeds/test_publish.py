from __future__ import annotations

import threading
import time
from typing import Any

import orjson
import pytest
from kafka.errors import KafkaTimeoutError

from streamer.feeds import publish as module
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.ports.log import LogUnavailable

TOPICS = {"vitals": "my-vitals", "outcomes": "my-outcomes"}


class Producer:
    """Notes records instead of sending them; ``fails`` makes every future fail."""

    fails = False
    made: list[Producer]

    def __init__(self, **_: object) -> None:
        self.sent: list[tuple[object, ...]] = []
        self.n_flushes = 0
        self.is_closed = False
        self.made.append(self)

    def send(self, topic: str, value: bytes, key: bytes, timestamp_ms: int) -> Producer:
        self.sent.append((topic, orjson.loads(value), key, timestamp_ms))
        return self

    def get(self, timeout: float) -> None:
        if self.fails:
            raise KafkaTimeoutError(f"nothing in {timeout} s")

    def flush(self, timeout: float | None = None) -> None:
        del timeout
        self.n_flushes += 1

    def close(self, timeout: float) -> None:
        del timeout
        self.is_closed = True


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[Producer]:
    monkeypatch.setattr(module, "KafkaProducer", Producer)
    monkeypatch.setattr(Producer, "made", [], raising=False)
    return Producer.made


def messages(*due_ms: int) -> list[Message]:
    return [Message(ms, "vitals", "p1", {"time": ms}) for ms in due_ms]


def send(feed: list[Message], speed: float | None = None, **changed: Any) -> int:
    options: dict[str, Any] = {"stop": threading.Event(), "progress": lambda *_: None, **changed}
    return publish(feed, {}, TOPICS, speed=speed, **options)


def test_messages_go_to_their_topic_with_the_due_time_as_timestamp(
    producers: list[Producer],
) -> None:
    outcome = Message(3_000, "outcomes", "p1", {"type": "no_sepsis"})
    assert send([*messages(1_000, 2_000), outcome]) == 3
    (producer,) = producers
    assert producer.sent == [
        ("my-vitals", {"time": 1_000}, b"p1", 1_000),
        ("my-vitals", {"time": 2_000}, b"p1", 2_000),
        ("my-outcomes", {"type": "no_sepsis"}, b"p1", 3_000),
    ]
    assert producer.is_closed


def test_the_past_of_a_feed_is_sent_at_once(producers: list[Producer]) -> None:
    began = time.monotonic()
    # Two hours at once, and a second of the ward in a twentieth of one.
    assert send(messages(0, 7_100_000, 7_200_000, 7_201_000), speed=20, ahead_ms=7_200_000) == 4
    assert 0.05 <= time.monotonic() - began < 2
    assert len(producers[0].sent) == 4


def test_a_feed_with_a_speed_is_paced_by_the_clock(producers: list[Producer]) -> None:
    began = time.monotonic()
    assert send(messages(0, 1_000, 2_000), speed=20) == 3
    assert 0.1 <= time.monotonic() - began < 5
    assert producers[0].n_flushes >= 2, "what was sent is on its way while the feed waits"


def test_a_feed_never_gets_ahead_of_the_clock_and_ends_when_it_is_stopped(
    producers: list[Producer],
) -> None:
    stop = threading.Event()
    ahead_ms = round(time.time() * 1000) + 3_600_000
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    assert send(messages(0, ahead_ms), stop=stop) == 1
    timer.join()
    assert len(producers[0].sent) == 1


def test_progress_is_reported_every_thousand_messages(producers: list[Producer]) -> None:
    seen: list[tuple[int, int]] = []
    send(messages(*range(2_500)), progress=lambda *report: seen.append(report))
    assert seen == [(1_000, 999), (2_000, 1_999)]
    assert len(producers[0].sent) == 2_500


def test_a_message_that_is_not_taken_is_an_outage(
    producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Producer, "fails", True)
    with pytest.raises(LogUnavailable, match="KafkaTimeoutError"):
        send(messages(1))
    assert producers[0].is_closed
