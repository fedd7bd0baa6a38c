"""The board's producer and its questions about the group.

The producer is idempotent and not transactional: a transaction left open on the input topic would
hold back every reader of its partition. It may write an action twice, which changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaError

from streamer.adapters.kafka.errors import close_quietly, kafka_errors
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.read import partitions_of
from streamer.ports.log import LogUnavailable
from streamer.ports.ward import Progress

# A person who acknowledges gets an answer within ten seconds, whatever the broker does.
_ACKNOWLEDGE_S: Final = 8.0
_ASK_MS: Final = 4_000
_SETTLE_MS: Final = 500  # an offset that a transaction is about to move: ask again later


class KafkaActionLog:
    """See ``ActionLog``; it connects at the first action, and anew after one that failed.

    An idempotent producer may never recover from a failure. Actions are written by many threads.
    """

    def __init__(self, connection: Callable[[], Mapping[str, Any]], topic: str) -> None:
        self._connection, self._topic = connection, topic
        self._lock = threading.Lock()
        self._producer: Any = None

    def append(
        self,
        partition: int,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None,
    ) -> int:
        """See ``ActionLog``."""
        give_up_at = time.monotonic() + _ACKNOWLEDGE_S
        producer: Any = None
        try:
            with kafka_errors():
                producer = self._connected()
                sent = producer.send(
                    self._topic,
                    value,
                    key,
                    headers=list(headers),
                    partition=partition,
                    timestamp_ms=timestamp_ms,
                )
                offset: int = sent.get(timeout=max(0.1, give_up_at - time.monotonic())).offset
        except LogUnavailable:
            self._end(producer)
            raise
        return offset

    def close(self) -> None:
        """Closes the connections; what waits for a broker that is away is given up."""
        self._end(self._producer)

    def _end(self, producer: Any) -> None:
        with self._lock:
            if producer is None or producer is not self._producer:
                return  # another thread has ended it
            self._producer = None
        producer.give_up()

    def _connected(self) -> Any:
        if (known := self._producer) is not None:
            return known
        made = self._new_producer()  # in each thread: nobody waits for another's connection
        with self._lock:
            if self._producer is None:
                self._producer = made
                return made
            known = self._producer
        made.give_up()
        return known

    def _new_producer(self) -> Any:
        return BatchProducer(
            **self._connection(),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            bootstrap_timeout_ms=_ASK_MS,
            max_block_ms=_ASK_MS,
            request_timeout_ms=_ASK_MS,
            delivery_timeout_ms=int(_ACKNOWLEDGE_S * 1000),
            reconnect_backoff_max_ms=1_000,
        )


class KafkaProgress:
    """See ``ServiceProgress``; a failure closes the client, the next question makes a new one."""

    def __init__(
        self, connection: Callable[[], Mapping[str, Any]], topic: str, risk: str, group: str
    ) -> None:
        self._connection, self._topic, self._risk, self._group = connection, topic, risk, group
        self._consumer: Any = None
        self._partitions: list[TopicPartition] = []
        self._risks: list[TopicPartition] = []

    def ask(self) -> Progress:
        """See ``ServiceProgress``."""
        try:
            with kafka_errors():
                return self._ask()
        except LogUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connections."""
        consumer, self._consumer = self._consumer, None
        close_quietly(consumer)

    def _ask(self) -> Progress:
        if self._consumer is None:
            connection = self._connection()
            by_topic = partitions_of(
                connection, self._topic, self._risk, bootstrap_timeout_ms=_ASK_MS
            )
            self._partitions, self._risks = by_topic[self._topic], by_topic[self._risk]
            self._consumer = KafkaConsumer(
                **connection,
                group_id=self._group,
                isolation_level="read_committed",
                bootstrap_timeout_ms=_ASK_MS,
                enable_auto_commit=False,
                reconnect_backoff_max_ms=2_000,
            )
        ends = self._consumer.end_offsets([*self._partitions, *self._risks], _ASK_MS)
        committed: dict[int, int | None] = {}
        for tp in self._partitions:
            try:
                committed[tp.partition] = self._consumer.committed(tp, timeout_ms=_SETTLE_MS)
            except AuthorizationError:  # silence would be taken for a service that stands still
                raise
            except KafkaError:
                continue
        return Progress(
            {tp.partition: ends[tp] for tp in self._partitions},
            committed,
            {tp.partition: ends[tp] for tp in self._risks},
        )
