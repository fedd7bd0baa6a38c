"""Readers of committed records outside any group, for commands that write nothing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.errors import NO_ANSWER, kafka_errors, refuse_hidden, translated
from streamer.adapters.kafka.fetched import BatchConsumer
from streamer.adapters.kafka.options import ASK_TIMEOUT_MS
from streamer.core.records import Records
from streamer.core.time import PLAUSIBLE_MS

_POLL_MS: Final = 200
_RECORDS_A_POLL: Final = 2_000
_SILENT_S: Final = 10.0  # without a record; a broker that is up answers the question at once


def committed_reader(
    connection: Mapping[str, Any], *topics: str, from_beginning: bool = True
) -> KafkaConsumer:
    """Returns a consumer that reads committed transactions and commits no offset itself.

    Args:
        connection: passed to the client as it is (``bootstrap_servers``, security).
        topics: all partitions of these are read; none where the caller assigns partitions.
        from_beginning: whether it starts at the first record that is kept, or after the last one.

    Raises:
        KafkaError: no broker answers.
    """
    return KafkaConsumer(
        *topics,
        **connection,
        isolation_level="read_committed",
        auto_offset_reset="earliest" if from_beginning else "latest",
        enable_auto_commit=False,
    )


def partitions_of(
    connection: Mapping[str, Any], *topics: str, **options: Any
) -> dict[str, list[TopicPartition]]:
    """Returns the partitions of each topic, none of one that does not exist.

    Args:
        connection: passed to the client as it is.
        topics: the topics.
        options: further options of the client.

    Raises:
        LogNotAllowed: this user may not see one of them.
        KafkaError: no broker answers.
    """
    with contextlib.closing(TidyAdmin(**connection, **options)) as admin:
        described = admin.describe_topics(list(topics))
    for topic in described:
        refuse_hidden(topic)
    return {
        topic["name"]: [
            TopicPartition(topic["name"], part["partition_index"])
            for part in topic.get("partitions") or ()
        ]
        for topic in described
    }


def is_there(connection: Mapping[str, Any], topic: str) -> bool:
    """Whether a topic exists.

    Raises:
        LogNotAllowed: this user may not see it.
        LogUnavailable: no broker answers.
    """
    with kafka_errors():
        return bool(partitions_of(connection, topic)[topic])


def follow(
    connection: Mapping[str, Any],
    topic: str,
    stop: threading.Event,
    *,
    from_beginning: bool,
    note: Callable[[str], None] = lambda _why: None,
) -> Iterator[bytes]:
    """Yields the values of a topic as they are committed, until ``stop`` is set.

    Args:
        connection: passed to the client as it is.
        topic: the topic.
        stop: ends it.
        from_beginning: whether it starts at the first record that is kept, or after the last one.
        note: called with why no broker answers any more, and with an empty text when one does
            again: who waits for alerts must not take that silence for none.

    Raises:
        LogNotAllowed: this user may not read the topic; kafka-python would wait without a word.
        LogUnavailable: no broker answers.
    """
    with kafka_errors():
        partitions_of(connection, topic)  # a hidden topic is refused
        reader = committed_reader(connection, topic, from_beginning=from_beginning)
        with contextlib.closing(reader):
            asked_at, away = time.monotonic(), ""
            while not stop.is_set():
                polled = reader.poll(timeout_ms=_POLL_MS)
                before = away
                if polled:
                    asked_at, away = time.monotonic(), ""
                elif time.monotonic() - asked_at > _SILENT_S:
                    away = _why_away(reader)
                    asked_at = time.monotonic()
                if bool(away) != bool(before):
                    note(away)
                for records in polled.values():
                    for record in records:
                        yield record.value


def _why_away(reader: KafkaConsumer) -> str:
    """Why no broker answers; empty where one does."""
    began = time.monotonic()
    try:
        reader.end_offsets(list(reader.assignment()), ASK_TIMEOUT_MS)
    except NO_ANSWER as error:
        return str(translated(error, began))
    return ""


def last_values(
    connection: Mapping[str, Any],
    topic: str,
    partition: int,
    key: bytes,
    *,
    n_records: int,
    deadline_s: float,
) -> list[bytes]:
    """Returns the values of a key among the last records of a partition, oldest first.

    Args:
        connection: passed to the client as it is.
        topic: the topic to search.
        partition: of the topic.
        key: of the wanted records.
        n_records: number of offsets before the end at which the search starts.
        deadline_s: seconds after which it returns the values read so far.

    Raises:
        LogUnavailable: no broker answers.
    """
    values: list[bytes] = []
    with kafka_errors(), contextlib.closing(committed_reader(connection)) as reader:
        tp = TopicPartition(topic, partition)
        reader.assign([tp])
        first, end = reader.beginning_offsets([tp])[tp], reader.end_offsets([tp])[tp]
        reader.seek(tp, max(first, end - n_records))
        give_up_at = time.monotonic() + deadline_s
        while position_of(reader, tp) < end and time.monotonic() < give_up_at:
            records = reader.poll(timeout_ms=_POLL_MS, max_records=_RECORDS_A_POLL)
            values += [record.value for record in records.get(tp, []) if record.key == key]
    return values


def timestamp_before(
    connection: Mapping[str, Any], tp: TopicPartition, first: int, offset: int
) -> int | None:
    """Returns the last timestamp before an offset that is a time, ``None`` if none is found.

    Args:
        connection: passed to the client as it is.
        tp: the partition.
        first: its first offset that is kept.
        offset: the offset.

    Raises:
        KafkaError: no broker answers.
    """
    reader = BatchConsumer(
        **connection,
        bootstrap_timeout_ms=ASK_TIMEOUT_MS,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
    )
    with contextlib.closing(reader):
        reader.assign([tp])
        # The offset before may be a transaction's marker: look a little further back.
        for back in (1, 10, 1_000):
            reader.seek(tp, max(first, offset - back))
            parts = reader.poll(timeout_ms=ASK_TIMEOUT_MS, max_records=back).get(tp, [])
            read = Records.joined(parts)
            is_time = read.timestamp_ms <= PLAUSIBLE_MS
            before = read.timestamp_ms[(read.offset < offset) & is_time]
            if len(before):
                return int(before[-1])
    return None


def group_lag(connection: Mapping[str, Any], group: str, topic: str, n_partitions: int) -> int:
    """Returns the number of records that a consumer group has not committed, over all partitions.

    Where the group never committed, every record that is kept counts.

    Raises:
        LogUnavailable: no broker answers.
    """
    options = {"bootstrap_timeout_ms": ASK_TIMEOUT_MS, **connection}
    with kafka_errors():
        consumer = KafkaConsumer(**options, group_id=group, enable_auto_commit=False)
        with contextlib.closing(consumer):
            tps = [TopicPartition(topic, partition) for partition in range(n_partitions)]
            ends = consumer.end_offsets(tps, ASK_TIMEOUT_MS)
            starts = consumer.beginning_offsets(tps, ASK_TIMEOUT_MS)
            for tp in tps:
                committed = consumer.committed(tp, timeout_ms=ASK_TIMEOUT_MS)
                starts[tp] = starts[tp] if committed is None else committed
            return sum(ends[tp] - starts[tp] for tp in tps)


def position_of(consumer: KafkaConsumer, tp: TopicPartition) -> int:
    """Returns the offset that is read next.

    Raises:
        KafkaTimeoutError: nobody knows it: kafka-python returns none then, or asks without end.
    """
    position: int | None = consumer.position(tp, timeout_ms=ASK_TIMEOUT_MS)
    if position is None:
        raise KafkaTimeoutError(f"no broker says where {tp.topic}-{tp.partition} begins")
    return position
