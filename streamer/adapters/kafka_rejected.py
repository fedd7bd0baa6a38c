"""The rejected topic in Kafka: reading it, and the one way back into the input topic.

A rejected record and the mark that it was re-entered are written in one transaction, so there is
never one without the other. Whoever re-enters begins by taking the transactional id: that settles
what another one left open and refuses whatever it does afterwards. Marks that are read after that
are all there are, and nobody else adds one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from streamer.adapters.kafka_log import MAX_MESSAGE_BYTES
from streamer.core.rejected import Place, Rejected, read
from streamer.ports.log import Interrupted, LogUnavailable

_POLL_MS: Final = 200
# Brokers answer a fetch within half a second even if nothing is there.
_SILENCE_S: Final = 30.0
_ANSWER_S: Final = 30.0
_NO_ANSWER: Final = (KafkaError, OSError, AssertionError)
# Readers of the input topic wait for a transaction that was left open, so it must not be for long.
_TRANSACTION_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RejectedOptions:
    """How to reach Kafka, and the names of the topics.

    ``connection`` is passed to every client as it is. ``marks`` has a record for each one that was
    re-entered into ``vitals`` from ``rejected``.
    """

    connection: Mapping[str, Any]
    vitals: str
    rejected: str
    marks: str

    @property
    def transactional_id(self) -> str:
        """One for each rejected topic, whatever the group: it is what guards against doubling."""
        return f"replay-of-{self.rejected}"


class RejectedTopic:
    """Reads the rejected topic and the marks.

    Raises:
        LogUnavailable: no broker answers, or the topics are missing.
    """

    def __init__(self, options: RejectedOptions) -> None:
        self._options = options
        with _asking():
            admin = KafkaAdminClient(**options.connection)
            with contextlib.closing(admin):
                (topic,) = admin.describe_topics([options.rejected])
        if not topic.get("partitions"):
            raise LogUnavailable(f"topic {options.rejected} is missing; run `streamer topics`")
        # Offsets begin anew in a topic that was made anew: marks name the topic's identity, too.
        self._topic_id = str(topic["topic_id"])
        self._partitions = [partition["partition_index"] for partition in topic["partitions"]]

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Returns the first offset that is kept and the next one, by partition."""
        with _asking(), contextlib.closing(self._consumer()) as consumer:
            tps = [TopicPartition(self._options.rejected, p) for p in self._partitions]
            ends = consumer.end_offsets(tps)
            return {
                tp.partition: (first, ends[tp])
                for tp, first in consumer.beginning_offsets(tps).items()
            }

    def records(self, since_ms: int | None = None) -> Iterator[Rejected]:
        """Yields the records that are there now, in order within each partition.

        Args:
            since_ms: leave out what was refused before, epoch milliseconds.
        """
        for record in self._whole(self._options.rejected, self._partitions, since_ms):
            yield _read(record)

    def at(self, place: Place) -> Rejected | None:
        """Returns the record at a place; ``None`` if there is none."""
        first, end = self.bounds().get(place.partition, (0, 0))
        if not first <= place.offset < end:
            return None
        tp = TopicPartition(self._options.rejected, place.partition)
        with _asking(), contextlib.closing(self._consumer()) as consumer:
            consumer.assign([tp])
            consumer.seek(tp, place.offset)
            for record in _until(consumer, {tp: place.offset + 1}):
                return _read(record)
        return None

    def reentered(self) -> dict[Place, int]:
        """Returns when each record was re-entered, epoch milliseconds, by its place."""
        marks: dict[Place, int] = {}
        for mark in self._whole(self._options.marks, [0], None):
            topic_id, _, place = mark.key.decode().partition("/")
            if topic_id == self._topic_id:
                marks[Place.parse(place)] = mark.timestamp
        return marks

    def mark_key(self, place: Place) -> bytes:
        """The key of the mark of a record."""
        return f"{self._topic_id}/{place.partition}/{place.offset}".encode()

    def _whole(self, topic: str, partitions: Sequence[int], since_ms: int | None) -> Iterator[Any]:
        tps = [TopicPartition(topic, partition) for partition in partitions]
        with _asking(), contextlib.closing(self._consumer()) as consumer:
            consumer.assign(tps)
            consumer.seek_to_beginning(*tps)
            ends = consumer.end_offsets(tps)
            if since_ms is not None:
                for tp, found in consumer.offsets_for_times(dict.fromkeys(tps, since_ms)).items():
                    consumer.seek(tp, ends[tp] if found is None else found.offset)
            yield from _until(consumer, ends)

    def _consumer(self) -> Any:
        return KafkaConsumer(
            **self._options.connection,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )


class WayBack:
    """The only one that re-enters rejected records, from its making on until the next is made.

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
        fault: Callable[[str], None] | None = None,
    ) -> None:
        self._options = options
        self._topic = topic
        self._fault = fault or _no_fault
        with _asking():
            self._producer = KafkaProducer(
                **options.connection,
                transactional_id=options.transactional_id,
                transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
                retry_backoff_ms=20,
                max_request_size=MAX_MESSAGE_BYTES,
            )
            self._producer.init_transactions()
            self._n_partitions = len(self._producer.partitions_for(options.vitals) or ())

    def reenter(self, chosen: Sequence[Rejected], *, repartition: bool = False) -> None:
        """Writes records and their marks in one transaction.

        Key and value are unchanged. A record goes to the partition on which it came in, which is
        where its producer puts that key; with ``repartition`` to where this project's producers
        put it.

        Raises:
            Interrupted: neither happened, or nobody knows: another one may have taken over.
        """
        self._fault("before_transaction")
        producer = self._producer
        try:
            producer.begin_transaction()
            futures = []
            for rejected in chosen:
                self._fault("before_record")
                partition = None if repartition else self._home(rejected)
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
                        self._topic.mark_key(rejected.place),
                    ),
                ]
            producer.flush(_ANSWER_S)
            # The client takes a refused producer's id anew by itself, and its batch fails. What
            # would follow under the new id must not be committed: the marks may be old by then.
            for future in futures:
                future.get(timeout=0)
            self._fault("before_commit")
            producer.commit_transaction()
        except _NO_ANSWER as error:
            raise Interrupted(
                f"Kafka or another replay that took over: {type(error).__name__}: {error}"
            ) from error
        self._fault("after_commit")

    def close(self) -> None:
        """Lets go of the connection; Kafka takes back what was left open after some seconds."""
        with contextlib.suppress(*_NO_ANSWER):
            self._producer.close(timeout=1)

    def _home(self, rejected: Rejected) -> int | None:
        origin = rejected.origin
        if origin is None or origin.partition >= self._n_partitions:
            return None
        return origin.partition


def _read(record: Any) -> Rejected:
    place = Place(record.partition, record.offset)
    return read(place, record.timestamp, record.key, record.value, record.headers or ())


def _until(consumer: Any, ends: Mapping[TopicPartition, int]) -> Iterator[Any]:
    """Yields the records before ``ends``; positions pass over the markers of transactions."""
    give_up_at = time.monotonic() + _SILENCE_S
    behind = set(ends)
    while behind := {tp for tp in behind if consumer.position(tp) < ends[tp]}:
        before = {tp: consumer.position(tp) for tp in behind}
        for tp, records in consumer.poll(timeout_ms=_POLL_MS).items():
            for record in records:
                if record.offset < ends[tp]:
                    yield record
        if any(consumer.position(tp) > position for tp, position in before.items()):
            give_up_at = time.monotonic() + _SILENCE_S
        elif time.monotonic() > give_up_at:
            raise LogUnavailable(f"Kafka brings nothing more of {sorted(behind)[0].topic}")


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    try:
        yield
    except _NO_ANSWER as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error


def _no_fault(point: str) -> None:
    del point
