"""The committed values of a topic with one partition."""

from __future__ import annotations

import contextlib

from kafka import KafkaConsumer, TopicPartition

from tests.support.wait import wait_until

DEADLINE_S = 60.0


def read_values(address: str, topic: str, n: int) -> list[bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=address.split(","),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    values: list[bytes] = []
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, 0)])

        def enough() -> bool:
            for records in consumer.poll(timeout_ms=100).values():
                values.extend(record.value for record in records)
            return len(values) >= n

        wait_until(enough, DEADLINE_S, f"{n} records of {topic}")
    return values
