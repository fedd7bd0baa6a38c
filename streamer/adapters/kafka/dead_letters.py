"""The rejected topic in Kafka: reading it, and replaying its records into the input topic.

A replayed record and the mark that says so are written in one transaction, so neither exists
without the other. A replayer begins by taking the transactional id: that ends the open transaction
of an earlier replayer and fences it. Marks that are read afterwards are complete, since nobody else
can add one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from streamer.adapters.kafka.client_fixes import TidyAdmin, UnhurriedClient
from streamer.adapters.kafka.errors import NO_ANSWER, close_quietly, kafka_errors, refuse_hidden
from streamer.adapters.kafka.options import MAX_MESSAGE_BYTES
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.read import position_of
from streamer.adapters.kafka.recovery import TransactionRecovery
from streamer.core.dead_letters import DeadLetter, read
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import Interrupted, LogUnavailable

_PARTITION: Final = 0  # both topics have one
_POLL_MS: Final = 200
_FETCH_WAIT_MS: Final = 50
# A broker that is up answers each fetch and each write at once; a leader moves within seconds.
_ANSWER_S: Final = 30.0
# Readers of the input topic wait for an open transaction, so Kafka must end a forgotten one soon.
_TRANSACTION_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RejectedOptions:
    """How to reach Kafka, and the names of the topics.

    ``connection`` is passed to every client as it is. The topic ``marks`` has one record for each
    record that was replayed from ``rejected`` into ``vitals``.
    """

    connection: Mapping[str, Any]
    vitals: str
    rejected: str
    marks: str

    @property
    def transactional_id(self) -> str:
        """One for each rejected topic, whatever the group: it keeps records from being doubled."""
        return f"replay-of-{self.rejected}"


class RejectedTopic:
    """Reads the rejected topic and the marks.

    Raises:
        LogUnavailable: no broker answers, or the topics are missing.
    """

    def __init__(self, options: RejectedOptions) -> None:
        self._options = options
        with kafka_errors():
            admin = TidyAdmin(**options.connection)
            with contextlib.closing(admin):
                topic, marks = admin.describe_topics([options.rejected, options.marks])
                for described in (topic, marks):
                    refuse_hidden(described)
        if not topic.get("partitions"):
            raise LogUnavailable(f"topic {options.rejected} is missing; run `streamer topics`")
        self._has_marks = bool(marks.get("partitions"))  # made by the first replay
        # Offsets begin anew in a topic that was created anew, so marks also name the topic's id.
        self._topic_id = str(topic["topic_id"])
        self._tp = TopicPartition(options.rejected, _PARTITION)

    @property
    def options(self) -> RejectedOptions:
        """The names of the topics, and how to reach Kafka."""
        return self._options

    def bounds(self) -> tuple[int, int]:
        """Returns the first offset that is kept, and the next one to be written."""
        with kafka_errors(), contextlib.closing(self._consumer()) as consumer:
            first = consumer.beginning_offsets([self._tp])[self._tp]
            end = consumer.end_offsets([self._tp])[self._tp]
        return first, end

    def records(self, since_ms: int | None = None) -> Iterator[DeadLetter]:
        """Yields the records that are there now, in order.

        Args:
            since_ms: leave out records that were rejected before, epoch milliseconds.
        """
        for record in self._whole(self._options.rejected, since_ms):
            yield _read(record)

    def at(self, offset: int) -> DeadLetter | None:
        """Returns the record at an offset; ``None`` if there is none."""
        first, end = self.bounds()
        if not first <= offset < end:
            return None
        with kafka_errors(), contextlib.closing(self._consumer()) as consumer:
            consumer.assign([self._tp])
            consumer.seek(self._tp, offset)
            for record in _until(consumer, self._tp, offset + 1):
                return _read(record)
        return None

    def reentered(self) -> dict[int, int]:
        """Returns the time at which each record was replayed, epoch milliseconds by offset."""
        marks: dict[int, int] = {}
        if not self._has_marks:
            return marks
        for mark in self._whole(self._options.marks):
            topic_id, _, offset = (mark.key or b"").decode(errors="replace").partition("/")
            if topic_id == self._topic_id and offset.isdecimal():  # all others are no marks of ours
                marks[int(offset)] = mark.timestamp
        return marks

    def mark_key(self, rejected: DeadLetter) -> bytes:
        """The key of the mark of a record."""
        return f"{self._topic_id}/{rejected.offset}".encode()

    def _whole(self, topic: str, since_ms: int | None = None) -> Iterator[Any]:
        tp = TopicPartition(topic, _PARTITION)
        with kafka_errors(), contextlib.closing(self._consumer()) as consumer:
            consumer.assign([tp])
            consumer.seek_to_beginning(tp)
            end = consumer.end_offsets([tp])[tp]
            if since_ms is not None:
                first = consumer.offsets_for_times({tp: since_ms})[tp]
                consumer.seek(tp, end if first is None else first.offset)
            yield from _until(consumer, tp, end)

    def _consumer(self) -> Any:
        return KafkaConsumer(
            **self._options.connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )


class DeadLetterReplayer:
    """Replays rejected records; a new replayer fences the one before it.

    Args:
        options: names of the topics.
        topic: the rejected topic.
        fault: called with the name of each point between two effects; tests crash there.

    Raises:
        LogUnavailable: no broker answers.
    """

    def __init__(
        self,
        options: RejectedOptions,
        topic: RejectedTopic,
        fault: Fault | None = None,
    ) -> None:
        self._options = options
        self._topic = topic
        self._fault = fault or no_fault
        with kafka_errors():
            self._producer = BatchProducer(
                **options.connection,
                kafka_client=UnhurriedClient,
                transactional_id=options.transactional_id,
                transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
                retry_backoff_ms=20,
                max_request_size=MAX_MESSAGE_BYTES,
            )
            before = TransactionRecovery(options.connection, (options.vitals, options.marks))
            before.recover(self._producer)
            self._n_partitions = len(self._producer.partitions_for(options.vitals) or ())

    def replay(self, chosen: Sequence[DeadLetter], *, repartition: bool = False) -> None:
        """Writes records and their marks in one transaction.

        Key and value are unchanged. A record goes to the partition that it came from, where its
        producer puts that key. With ``repartition`` it goes to the partition that this project's
        producers choose for the key.

        Raises:
            Interrupted: nothing was replayed, or the outcome is unknown: another replayer may have
                taken over.
        """
        step = "begin"
        self._fault("before_transaction")
        producer = self._producer
        try:
            producer.begin_transaction()
            futures = []
            for rejected in chosen:
                self._fault("before_record")
                step = f"offset {rejected.offset}"
                partition = None if repartition else self._origin_partition(rejected)
                futures += [
                    producer.send(
                        self._options.vitals,
                        rejected.value,
                        rejected.key,
                        rejected.passed_on(),
                        partition,
                    ),
                    producer.send(
                        self._options.marks,
                        rejected.first_origin.encode(),
                        self._topic.mark_key(rejected),
                    ),
                ]
            producer.flush(_ANSWER_S)
            # When the producer is fenced, the client takes the id again by itself and the batch
            # fails. Nothing may be committed under the new id: the marks may be outdated by then.
            for i, future in enumerate(futures):
                step = f"offset {chosen[i // 2].offset}"
                future.get(timeout=0)
            step = "commit"
            self._fault("before_commit")
            producer.commit_transaction()
        except NO_ANSWER as error:
            raise Interrupted(
                f"Kafka, or another replay that took over, at {step}: "
                f"{type(error).__name__}: {error}"
            ) from error
        self._fault("after_commit")

    def close(self) -> None:
        """Closes the connection; Kafka aborts an open transaction after some seconds."""
        close_quietly(self._producer, timeout=1)

    def _origin_partition(self, rejected: DeadLetter) -> int | None:
        origin = rejected.origin
        if origin is None or origin.partition >= self._n_partitions:
            return None
        return origin.partition


def _read(record: Any) -> DeadLetter:
    return read(record.offset, record.timestamp, record.key, record.value, record.headers or ())


def _until(consumer: Any, tp: TopicPartition, end: int) -> Iterator[Any]:
    """Yields the records before ``end``; the position passes over the markers of transactions."""
    give_up_at = time.monotonic() + _ANSWER_S
    while (before := position_of(consumer, tp)) < end:
        for record in consumer.poll(timeout_ms=_POLL_MS).get(tp, []):
            if record.offset < end:
                yield record
        if position_of(consumer, tp) > before:
            give_up_at = time.monotonic() + _ANSWER_S
        elif time.monotonic() > give_up_at:
            raise LogUnavailable(
                f"Kafka sent no record of {tp.topic} for {_ANSWER_S:.0f} s, at offset {before} of "
                f"{end}"
            )
