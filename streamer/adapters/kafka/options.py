"""How the two clients of the log are set up, and why so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from streamer.adapters.kafka.client_fixes import UnhurriedClient
from streamer.adapters.kafka.fetched import BatchConsumer
from streamer.adapters.kafka.producer import BatchProducer
from streamer.core.dead_letters import MAX_CONTENT_BYTES

# A broker that is up answers metadata at once; ten seconds bound every question to it.
ASK_TIMEOUT_MS: Final = 10_000
# A batch of a thousand records takes some 60 ms; fifteen seconds of stall mean a broken producer,
# and what an abandoned transaction blocks (readers of the outputs) must be free again soon.
TRANSACTION_TIMEOUT_MS: Final = 15_000
# What is refused is the largest that is written: as much as is kept of it, and its headers.
MAX_MESSAGE_BYTES: Final = MAX_CONTENT_BYTES + 64 * 1024
# 3,500 events of 300 bytes: two partitions that are behind fill a batch of 4,000.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
_FETCH_BYTES: Final = 8 * 1024 * 1024
# Added partitions move patients away from their states: seen after seconds, not after minutes.
_METADATA_AGE_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """How to reach Kafka and how to behave there.

    ``connection`` is passed to every client as it is (``bootstrap_servers``, security).
    ``transactional_id`` must be stable and unique per instance: it fences a paused twin.
    ``outputs`` are all topics that producers of this id write to.
    """

    connection: Mapping[str, Any]
    topic: str
    group_id: str
    transactional_id: str
    outputs: Sequence[str]
    session_timeout_ms: int = 15_000
    max_poll_records: int = 4_000
    max_poll_interval_ms: int = 300_000
    fetch_wait_ms: int = 20


def new_consumer(options: KafkaOptions, listener: ConsumerRebalanceListener) -> Any:
    """Returns a consumer that has joined nothing yet; its first poll does."""
    consumer = BatchConsumer(
        **options.connection,
        group_id=options.group_id,
        # Messages of other transactions count only when committed; and a committed offset is
        # read as the last one that is settled.
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Loss must be loud: positions are always set by the take-over.
        auto_offset_reset="none",
        session_timeout_ms=options.session_timeout_ms,
        heartbeat_interval_ms=max(200, options.session_timeout_ms // 5),
        max_poll_records=options.max_poll_records,
        # A batch that takes longer than this ends the membership; its commit is then refused.
        max_poll_interval_ms=options.max_poll_interval_ms,
        # What waits here beside the batch in hand, however long the backlog: a fetch a broker.
        fetch_max_bytes=_FETCH_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        fetch_max_wait_ms=options.fetch_wait_ms,
        partition_assignment_strategy=[CooperativeStickyAssignor],
        reconnect_backoff_max_ms=2_000,
        metadata_max_age_ms=_METADATA_AGE_MS,
    )
    consumer.subscribe([options.topic], listener=listener)
    return consumer


def new_producer(options: KafkaOptions) -> BatchProducer:
    """Returns a producer that has yet to take its transactional id."""
    return BatchProducer(
        **options.connection,
        transactional_id=options.transactional_id,
        kafka_client=UnhurriedClient,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        # The broker has given the transaction up by then: sending on would be in vain.
        delivery_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_block_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=ASK_TIMEOUT_MS,
        # The broker refuses a transaction's first request until it has done with the one before,
        # some milliseconds: with 20 here a transaction takes 30 ms, with 2 it takes 10.
        retry_backoff_ms=2,
        linger_ms=0,
        max_request_size=MAX_MESSAGE_BYTES,
        batch_size=262_144,  # a batch's messages to one partition in one request
        reconnect_backoff_max_ms=2_000,
    )
