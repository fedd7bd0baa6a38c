"""Settings of the log's consumer and producer, with the reason of each."""

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
# A batch of a thousand records takes some 60 ms; fifteen seconds of stall mean a broken producer.
# Readers of the outputs wait for an abandoned transaction, so it must end soon.
TRANSACTION_TIMEOUT_MS: Final = 15_000
# The largest message is a rejected record: its content up to the limit, and its headers.
MAX_MESSAGE_BYTES: Final = MAX_CONTENT_BYTES + 64 * 1024
# A batch's messages to one partition in one request, each of which waits for the one before: 8,000
# risks take ten. Topics take batches of 1 MiB unless they were told otherwise.
BATCH_BYTES: Final = 786_432
RECORD_BATCH_OVERHEAD: Final = 61  # bytes of its header
# Of one partition's part of a fetch: 3,500 events of 300 bytes.
PARTITION_FETCH_BYTES: Final = 1024 * 1024
_LEAST_FETCH_BYTES: Final = 128 * 1024
# Some four batches: with one fetch for each batch, an event of the 1 Hz ward costs a fifth more.
_FETCH_BYTES: Final = 8 * 1024 * 1024
# Added partitions move patients away from their states: seen after seconds, not after minutes.
_METADATA_AGE_MS: Final = 5_000
_HEARTBEAT_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Connection, names and limits of the log's clients.

    ``connection`` is passed to every client as it is (``bootstrap_servers``, security).
    ``transactional_id`` must be stable and unique per instance: it fences a paused twin.
    ``outputs`` are all topics that producers of this id write to; ``optional``: those of them that
    it does without, if this user may not write them. ``session_timeout_ms``: a
    consumer that is silent for this long loses its partitions. ``max_poll_interval_ms``: so does
    one that does not poll for this long. ``fetch_wait_ms``: a broker without records waits this
    long before it answers a fetch.
    """

    connection: Mapping[str, Any]
    topic: str
    group_id: str
    transactional_id: str
    outputs: Sequence[str]
    optional: Sequence[str] = ()
    session_timeout_ms: int = 6_000
    max_poll_records: int = 8_000
    max_poll_interval_ms: int = 300_000
    fetch_wait_ms: int = 20


def partition_fetch_bytes(n_partitions: int) -> int:
    """Returns the bytes of one partition's part of a fetch: all that are owned fill one.

    >>> [partition_fetch_bytes(n) // 1024 for n in (0, 1, 8, 24, 128)]
    [1024, 1024, 1024, 341, 128]
    """
    part = _FETCH_BYTES // max(n_partitions, 1)
    return min(max(part, _LEAST_FETCH_BYTES), PARTITION_FETCH_BYTES)


def new_consumer(options: KafkaOptions, listener: ConsumerRebalanceListener) -> Any:
    """Returns a consumer that joins the group at its first poll."""
    consumer = BatchConsumer(
        **options.connection,
        group_id=options.group_id,
        # Records of open and aborted transactions are not read, and a committed offset is read
        # only when no transaction that moves it is open.
        isolation_level="read_committed",
        enable_auto_commit=False,
        # Loss must be loud: positions are always set by the take-over.
        auto_offset_reset="none",
        session_timeout_ms=options.session_timeout_ms,
        # Members hear of a join with their next heartbeat, and all wait for the last of them.
        heartbeat_interval_ms=min(_HEARTBEAT_MS, options.session_timeout_ms // 3),
        max_poll_records=options.max_poll_records,
        # A batch that takes longer than this ends the membership; its commit is then refused.
        max_poll_interval_ms=options.max_poll_interval_ms,
        # Bounds the records that wait here, however long the backlog: one fetch a broker.
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
    """Returns a producer that has not taken its transactional id yet."""
    return BatchProducer(
        **options.connection,
        transactional_id=options.transactional_id,
        kafka_client=UnhurriedClient,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        # The broker has aborted the transaction by then, so sending on is useless.
        delivery_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_block_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=ASK_TIMEOUT_MS,
        # The broker refuses a transaction's first request for some milliseconds, until it has ended
        # the one before: with 20 here a transaction takes 30 ms, with 2 it takes 10.
        retry_backoff_ms=2,
        linger_ms=0,
        max_request_size=MAX_MESSAGE_BYTES,
        batch_size=BATCH_BYTES,
        reconnect_backoff_max_ms=2_000,
    )
