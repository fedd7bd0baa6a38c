"""Readers of committed records, as careful subscribers use them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from streamer.adapters.kafka.fetched import BatchConsumer
from streamer.core.records import Records
from streamer.service.settings import Settings

_POLL_MS: Final = 200


class Tail:
    """All committed records of a topic, from its beginning, in order within each partition."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._consumer = KafkaConsumer(
            **settings.kafka_connection(),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=5_000,
            fetch_max_wait_ms=50,
            reconnect_backoff_max_ms=500,  # half a minute by default, and brokers come back
        )
        partitions = self._consumer.partitions_for_topic(topic) or ()
        self._tps = [TopicPartition(topic, partition) for partition in partitions]
        self._consumer.assign(self._tps)
        self._consumer.seek_to_beginning(*self._tps)

    def poll(self, timeout_ms: int = _POLL_MS, /) -> list[Any]:
        """Returns the records since the last call; waits for some a fifth of a second at most."""
        return [
            record
            for batch in self._consumer.poll(timeout_ms=timeout_ms).values()
            for record in batch
        ]

    def at_end(self) -> bool:
        """Whether everything committed until now has been returned."""
        # for a read_committed consumer, end_offsets are the last stable offsets
        ends = self._consumer.end_offsets(self._tps)
        return all(self._consumer.position(tp) >= end for tp, end in ends.items())

    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close()


def read_topic(
    settings: Settings,
    topic: str,
    enough: Callable[[list[Any]], bool] | None = None,
    deadline_s: float = 60.0,
) -> list[Any]:
    """Returns all committed records of a topic, in order within each partition.

    Without ``enough`` it reads to the present end. With it, it reads until ``enough(records)`` is
    true at the end of the topic, or the deadline has passed.
    """
    records: list[Any] = []
    give_up_at = time.monotonic() + deadline_s
    with contextlib.closing(Tail(settings, topic)) as tail:
        while time.monotonic() < give_up_at:
            records += tail.poll()
            if tail.at_end() and (enough is None or enough(records)):
                return records
    return records


def read_partition(settings: Settings, topic: str, partition: int) -> Iterator[list[Any]]:
    """Yields the committed records of one partition up to its present end, batch by batch."""
    consumer = KafkaConsumer(
        **settings.kafka_connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5_000,
    )
    tp = TopicPartition(topic, partition)
    with contextlib.closing(consumer):
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        end = consumer.end_offsets([tp])[tp]
        while consumer.position(tp) < end:
            records = consumer.poll(timeout_ms=_POLL_MS).get(tp)
            if records:
                yield records


def read_log(settings: Settings, partition: int) -> Iterator[Records]:
    """Yields the committed records of an input partition as services read them.

    Those that no parser takes are among them: other clients stop there.
    """
    consumer = BatchConsumer(
        **settings.kafka_connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5_000,
    )
    tp = TopicPartition(settings.topic_vitals, partition)
    with contextlib.closing(consumer):
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        end = consumer.end_offsets([tp])[tp]
        while consumer.position(tp) < end:
            records = Records.joined(consumer.poll(timeout_ms=_POLL_MS).get(tp, []))
            if records:
                yield records
