from __future__ import annotations

from typing import Any

import pytest

from streamer.adapters.kafka import options
from streamer.adapters.kafka.options import KafkaOptions, new_consumer, new_producer

OPTIONS = KafkaOptions(
    {"bootstrap_servers": "broker:9092"}, "vitals", "group", "member-1", ("risk", "alerts")
)


class Client:
    """Notes its settings instead of connecting."""

    def __init__(self, **configs: Any) -> None:
        self.configs = configs
        self.topics: list[str] = []

    def subscribe(self, topics: list[str], listener: object) -> None:
        del listener
        self.topics += topics


def test_the_consumer_reads_committed_records_and_never_moves_offsets_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "BatchConsumer", Client)
    consumer = new_consumer(OPTIONS, listener=None)
    assert consumer.topics == ["vitals"]
    wanted = {
        "bootstrap_servers": "broker:9092",
        "group_id": "group",
        "isolation_level": "read_committed",
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
    }
    assert wanted.items() <= consumer.configs.items()
    # Several heartbeats must fit a session, or one that is lost ends the membership.
    assert consumer.configs["heartbeat_interval_ms"] * 3 <= consumer.configs["session_timeout_ms"]


def test_the_producer_gives_up_when_the_broker_ends_its_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "BatchProducer", Client)
    producer: Any = new_producer(OPTIONS)
    configs = producer.configs
    assert configs["transactional_id"] == "member-1"
    assert configs["delivery_timeout_ms"] <= configs["transaction_timeout_ms"]
    assert configs["max_block_ms"] <= configs["transaction_timeout_ms"]


def test_what_is_owned_fills_a_batch_and_no_part_is_more_than_a_fetch_may_have() -> None:
    parts = [options.partition_fetch_bytes(n) for n in range(1, 100)]
    assert parts == sorted(parts, reverse=True)
    assert parts[0] == options.PARTITION_FETCH_BYTES
    # 200 bytes are a row of vital signs with its key, and what a batch adds.
    assert all(n * part >= 8_000 * 200 for n, part in enumerate(parts, 1) if n > 1)
