"""A transactional producer succeeds its predecessor and ends what that one left open, everywhere.

Taking the transactional id should do that. But a coordinator of Kafka 4 takes a partition that has
no leader just then (all its replicas are away, or a lone broker comes back) for one that was
deleted: it sends no marker there and calls the transaction complete. What lies there stays open.
Readers of committed records wait for it without end, the group's offsets cannot be read, and the
next transaction of the same producer would take it along, whatever had become of it. Found by
killing brokers, and read in their log: docs/decisions/019.

So a successor asks how the last transaction of its name ended, and ends everything that it may have
touched in the same way. Where nothing is open, such a marker means nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import TransactionState
from kafka.errors import (
    KafkaTimeoutError,
    RetriableError,
    TransactionalIdNotFoundError,
    UnsupportedVersionError,
)

from streamer.adapters.kafka_batches import BatchProducer

# A coordinator that is up answers at once, and needs milliseconds to end a transaction.
_ANSWER_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.02
_NOT_YET_ENDED: Final = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)


def succeed(
    producer: BatchProducer,
    connection: Mapping[str, Any],
    topics: Sequence[str],
    group: str | None = None,
) -> None:
    """Makes a producer the only one of its transactional id, with nothing open of those before.

    Args:
        producer: a new one; closed if this fails, since it would go on trying and fence the next.
        connection: how to reach Kafka.
        topics: all to which producers of this id write.
        group: whose offsets they commit.

    Raises:
        KafkaError: no answer, or a refusal.
    """
    try:
        last = _last_state(connection, producer.config["transactional_id"])
        producer.init_transactions()
        if last is not None:
            places = [
                TopicPartition(topic, partition)
                for topic in topics
                for partition in producer.partitions_for(topic) or ()
            ]
            producer.end_all(places, group, commit=last is TransactionState.COMPLETE_COMMIT)
    except BaseException:
        producer.close(timeout=0)
        raise


def _last_state(connection: Mapping[str, Any], name: str) -> TransactionState | None:
    """How the last transaction of this name stands; ``None``: there was none, or nobody knows."""
    give_up_at = time.monotonic() + _ANSWER_S
    admin = KafkaAdminClient(
        **connection,
        bootstrap_timeout_ms=round(1000 * _ANSWER_S),
        request_timeout_ms=round(1000 * _ANSWER_S),
    )
    with contextlib.closing(admin):
        while True:
            try:
                state = TransactionState(admin.describe_transactions([name])[name].state)
                if state not in _NOT_YET_ENDED:
                    return state
            except TransactionalIdNotFoundError:
                return None
            except UnsupportedVersionError:
                return None  # brokers before 3.0, which forget nothing
            except RetriableError:
                if time.monotonic() > give_up_at:
                    raise
            if time.monotonic() > give_up_at:
                raise KafkaTimeoutError(f"the transaction of {name} does not come to its end")
            time.sleep(_ASK_AGAIN_S)
