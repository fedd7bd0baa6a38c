"""The limit of a Python service on this machine: reading and decoding a load, and nothing else."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from bench.comparison import Comparison
from bench.loads import Backlog
from streamer.local import LocalStack

_POLL_MS: Final = 200
_RECORDS_A_POLL: Final = 8_000  # as the service
_MOST_EVENTS: Final = 100_000
_DEADLINE_S: Final = 60.0


def limits_table(
    stack: LocalStack, comparisons: Sequence[Comparison], loads: Sequence[Backlog]
) -> str:
    """CPU microseconds an event of plain reading and decoding, and of the service, by load."""
    lines = [
        "| load | copying the bytes | polling with kafka-python | `json.loads` | the two "
        "| the whole service | service over the two |",
        "|---" * 7 + "|",
    ]
    for comparison, load in zip(comparisons, loads, strict=True):
        if not comparison.ours.measurements:
            continue
        polling_us, values = poll_all(stack, load)
        copy_us = _cost_us(lambda values=values: [bytearray(v) for v in values], len(values))  # type: ignore[misc]
        decode_us = _cost_us(lambda values=values: [json.loads(v) for v in values], len(values))  # type: ignore[misc]
        service_us, both_us = 1e6 / comparison.ours.per_cpu_second, polling_us + decode_us
        lines.append(
            f"| {load.title} | {copy_us:.2f} | {polling_us:.2f} | {decode_us:.2f} | {both_us:.2f} "
            f"| {service_us:.2f} | {service_us / both_us:.2f} |"
        )
    return "\n".join(["CPU microseconds an event:", "", *lines])


def poll_all(stack: LocalStack, load: Backlog) -> tuple[float, list[bytes]]:
    """Polls a load with kafka-python's own parser and keeps the values.

    Returns:
        CPU microseconds an event of all threads of this process, and the values.
    """
    consumer = KafkaConsumer(
        bootstrap_servers=[stack.kafka],
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_poll_records=_RECORDS_A_POLL,
    )
    tps = [TopicPartition(load.topic, partition) for partition in range(len(load.due))]
    wanted = min(load.n_events, _MOST_EVENTS)
    values: list[bytes] = []
    give_up_at = time.monotonic() + _DEADLINE_S
    with contextlib.closing(consumer):
        consumer.assign(tps)
        consumer.seek_to_beginning(*tps)
        while not values and time.monotonic() < give_up_at:  # connections and metadata
            for records in consumer.poll(timeout_ms=_POLL_MS, max_records=1).values():
                values += [record.value for record in records]
        n_before = len(values)
        began = time.process_time()
        while len(values) < wanted and time.monotonic() < give_up_at:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                values += [record.value for record in records]
        spent = time.process_time() - began
    return spent * 1e6 / (len(values) - n_before), values


def _cost_us(work: Callable[[], object], n: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e6 / n
