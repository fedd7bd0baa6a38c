"""Reading output topics whole, as a careful subscriber does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from streamer.service.settings import Settings

_POLL_MS: Final = 200


def read_topic(
    settings: Settings,
    topic: str,
    enough: Callable[[list[Any]], bool] | None = None,
    deadline_s: float = 60.0,
) -> list[Any]:
    """Returns all committed records of a topic, in order within each partition.

    Without ``enough`` it reads what is there now. With it, until ``enough(records)`` is true and
    the end is reached, or the deadline has passed.
    """
    consumer = KafkaConsumer(
        **settings.kafka_connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5_000,
    )
    records: list[Any] = []
    give_up_at = time.monotonic() + deadline_s
    with contextlib.closing(consumer):
        tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(tps)
        consumer.seek_to_beginning(*tps)
        while time.monotonic() < give_up_at:
            for batch in consumer.poll(timeout_ms=_POLL_MS).values():
                records += batch
            # end_offsets of a read_committed consumer is the last offset that is settled
            at_end = all(
                consumer.position(tp) >= end for tp, end in consumer.end_offsets(tps).items()
            )
            if at_end and (enough is None or enough(records)):
                return records
    return records


def read_partition(settings: Settings, topic: str, partition: int) -> Iterator[list[Any]]:
    """Yields the committed records of one partition as they are there now, batch by batch."""
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
