"""Sends a feed to Kafka at its own pace or faster, and never ahead of the real clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
from kafka import KafkaProducer

from streamer.adapters.kafka.errors import kafka_errors
from streamer.feeds.message import Message

# The producer's buffer has no bound of its own; this many messages are some 3 MB.
MOST_UNACKNOWLEDGED: Final = 10_000
_ACKNOWLEDGE_TIMEOUT_S: Final = 30
_LONGEST_NAP_S: Final = 0.2


def publish(
    messages: Iterable[Message],
    connection: Mapping[str, Any],
    topics: Mapping[str, str],
    *,
    speed: float | None,
    stop: threading.Event,
    progress: Callable[[int, int], None],
    ahead_ms: int = 0,
) -> int:
    """Sends messages with their due time as the record timestamp; returns the number sent.

    Args:
        messages: in the order of their due time.
        connection: settings of the Kafka client.
        topics: name of each topic by its default name.
        speed: feed seconds a second, ``None`` as fast as possible. A feed that has caught up with
            the real clock goes on at its pace: brokers refuse records from the future.
        stop: set to end early.
        progress: called every 1,000 messages with their number and the feed's time, epoch
            milliseconds.
        ahead_ms: feed time from the first message on that is sent as fast as possible: a ward with
            a past.

    Raises:
        LogUnavailable: Kafka does not answer, or does not take a message.
    """
    with kafka_errors():
        producer = KafkaProducer(**connection, linger_ms=5, batch_size=131_072)
    pace = _Pace(speed, stop, ahead_ms)
    sent, pending = 0, []
    try:
        with kafka_errors():
            for message in messages:
                if not pace.wait_until_due(message.due_ms, producer.flush):
                    break
                pending.append(
                    producer.send(
                        topics[message.topic],
                        orjson.dumps(message.value),
                        message.key.encode(),
                        timestamp_ms=message.due_ms,
                    )
                )
                sent += 1
                if len(pending) >= MOST_UNACKNOWLEDGED:
                    _await_all(producer, pending)
                if sent % 1_000 == 0:
                    progress(sent, message.due_ms)
            _await_all(producer, pending)
    finally:
        producer.close(timeout=_ACKNOWLEDGE_TIMEOUT_S)
    return sent


def _await_all(producer: Any, pending: list[Any]) -> None:
    producer.flush(timeout=_ACKNOWLEDGE_TIMEOUT_S)
    for future in pending:
        future.get(timeout=_ACKNOWLEDGE_TIMEOUT_S)
    pending.clear()


class _Pace:
    """Maps feed time to the real clock."""

    def __init__(self, speed: float | None, stop: threading.Event, ahead_ms: int) -> None:
        self._speed = speed
        self._stop = stop
        self._ahead_ms = ahead_ms
        self._paced_from_ms: int | None = None
        self._began_s: float | None = None

    def wait_until_due(self, due_ms: int, before_waiting: Callable[[], Any]) -> bool:
        """Waits until a message is due; returns false if ``stop`` was set."""
        if self._paced_from_ms is None:
            self._paced_from_ms = due_ms + self._ahead_ms
        moment_s = due_ms / 1000
        if self._speed is not None and due_ms >= self._paced_from_ms:
            if self._began_s is None:
                self._began_s = time.time()
            elapsed_s = (due_ms - self._paced_from_ms) / 1000 / self._speed
            moment_s = max(moment_s, self._began_s + elapsed_s)
        if time.time() < moment_s:
            before_waiting()
        while (ahead_s := moment_s - time.time()) > 0 and not self._stop.is_set():
            self._stop.wait(min(ahead_s, _LONGEST_NAP_S))
        return not self._stop.is_set()
