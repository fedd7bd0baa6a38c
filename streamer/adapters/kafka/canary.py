"""The canary's topics in Kafka: sent by key as any sender does, heard without a group."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal

from kafka import TopicPartition
from kafka.partitioner.default import murmur2

from streamer.adapters.kafka.errors import close_quietly, kafka_errors
from streamer.adapters.kafka.fetched import BatchConsumer
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.read import partitions_of
from streamer.core.dead_letters import TRACEPARENT
from streamer.ports.canary import Heard, Widths
from streamer.ports.log import LogUnavailable

_ASK_MS: Final = 4_000
# A record that waits longer would be heard when its canary is late anyway.
_DELIVERY_MS: Final = 10_000
# Canaries are heard several times a minute: a consumer that hears nothing for so long is replaced.
_QUIET_S: Final = 60.0


class KafkaCanaryLog:
    """See ``CanaryLog``; it connects when it is first asked, and anew after a failure.

    Args:
        connection: gives the arguments of each client, with secrets as they are now.
        vitals: name of the input topic.
        risk: name of the topic of risks.
        alerts: name of the topic of alerts.
    """

    def __init__(
        self, connection: Callable[[], Mapping[str, Any]], vitals: str, risk: str, alerts: str
    ) -> None:
        self._connection = connection
        self._vitals = vitals
        kinds: dict[str, Literal["risk", "alert"]] = {risk: "risk", alerts: "alert"}
        self._kinds = kinds
        self._width = 0
        self._positions: dict[TopicPartition, int] = {}  # outlive the consumer
        self._producer: Any = None
        self._has_failed = threading.Event()  # set by a thread of the producer
        self._consumer: Any = None
        self._heard_at = time.monotonic()

    def widths(self) -> Widths:
        """See ``CanaryLog``."""
        with kafka_errors():
            by_topic = partitions_of(
                self._connection(), self._vitals, *self._kinds, bootstrap_timeout_ms=_ASK_MS
            )
            missing = [name for name, partitions in by_topic.items() if not partitions]
            if missing:
                raise LogUnavailable(
                    f"topics {', '.join(missing)} are missing; run `streamer topics`"
                )
            heard = [tp for name in self._kinds for tp in by_topic[name]]
            if set(heard) != self._positions.keys():
                self._begin(heard)
        self._width = len(by_topic[self._vitals])
        return Widths(self._width, min(len(by_topic[name]) for name in self._kinds))

    def partition_of(self, key: bytes) -> int:
        """See ``CanaryLog``: the default of kafka-python and of Java, https://kafka.apache.org."""
        return int(murmur2(key) & 0x7FFFFFFF) % self._width

    def send(self, key: bytes, values: Sequence[bytes], traceparent: bytes) -> None:
        """See ``CanaryLog``."""
        if self._has_failed.is_set():  # an idempotent producer may never recover from a failure
            self._end_producer()
        try:
            with kafka_errors():
                self._send(key, values, traceparent)
        except LogUnavailable:
            self._has_failed.set()
            raise

    def poll(self, timeout_s: float) -> Sequence[Heard]:
        """See ``CanaryLog``."""
        try:
            with kafka_errors():
                if not self._positions:
                    return []
                polled = self._connected().poll(timeout_ms=int(timeout_s * 1000))
        except LogUnavailable:
            self._disconnect()
            raise
        heard = []
        if polled:
            self._heard_at = time.monotonic()
        elif time.monotonic() - self._heard_at > _QUIET_S:
            self._heard_at = time.monotonic()
            self._disconnect()
        for tp, parts in polled.items():
            for record in chain.from_iterable(parts):
                heard.append(
                    Heard(
                        self._kinds[tp.topic],
                        tp.partition,
                        record.key,
                        record.value,
                        record.traceparent,
                    )
                )
                self._positions[tp] = record.offset + 1
        return heard

    def close(self) -> None:
        """See ``CanaryLog``."""
        self._disconnect()
        self._end_producer()

    def _send(self, key: bytes, values: Sequence[bytes], traceparent: bytes) -> None:
        if self._producer is None:
            self._producer = BatchProducer(
                **self._connection(),
                enable_idempotence=True,  # in order, and each once
                acks="all",
                linger_ms=0,
                bootstrap_timeout_ms=_ASK_MS,
                max_block_ms=_ASK_MS,
                request_timeout_ms=_ASK_MS,
                delivery_timeout_ms=_DELIVERY_MS,
                reconnect_backoff_max_ms=1_000,
                metadata_max_age_ms=10_000,  # where a key lands, as `widths` has last seen it
            )
        headers = [(TRACEPARENT, traceparent)]
        for value in values:
            sent = self._producer.send(self._vitals, value, key, headers=headers)
            sent.add_errback(lambda _error: self._has_failed.set())

    def _end_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.give_up()
        self._has_failed.clear()  # what was given up now has failed as well

    def _begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Hears these partitions: from their end at first, of new ones all."""
        self._disconnect()
        consumer = self._new_consumer()
        with contextlib.closing(consumer):
            ends = consumer.end_offsets(list(partitions), _ASK_MS)
        is_first = not self._positions
        self._positions = {
            tp: end if is_first else self._positions.get(tp, 0) for tp, end in ends.items()
        }

    def _connected(self) -> Any:
        if self._consumer is None:
            consumer = self._new_consumer()
            consumer.assign(list(self._positions))
            for tp, position in self._positions.items():
                consumer.seek(tp, position)
            self._consumer = consumer
        return self._consumer

    def _new_consumer(self) -> Any:
        return BatchConsumer(
            **self._connection(),
            bootstrap_timeout_ms=_ASK_MS,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # A day is kept: what is gone belongs to canaries that were lost long ago.
            auto_offset_reset="latest",
            fetch_max_wait_ms=50,
            reconnect_backoff_max_ms=1_000,
        )

    def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        close_quietly(consumer)
