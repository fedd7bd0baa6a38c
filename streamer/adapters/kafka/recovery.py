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

from kafka import TopicPartition
from kafka.admin import TransactionState
from kafka.errors import (
    KafkaTimeoutError,
    LeaderNotAvailableError,
    RetriableError,
    TransactionalIdNotFoundError,
    UnsupportedVersionError,
)

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.producer import BatchProducer

# A coordinator that is up answers at once, and needs milliseconds to end a transaction.
_ANSWER_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.02
_NO_LEADER: Final = -1
_NOT_YET_ENDED: Final = (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)


class Succession:
    """What is known of the producers before, kept until all that they left is ended.

    Args:
        connection: how to reach Kafka.
        topics: all to which producers of this id write.
        group: whose offsets they commit.
    """

    def __init__(
        self, connection: Mapping[str, Any], topics: Sequence[str], group: str | None = None
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._group = group
        self._last: TransactionState | None = None

    def recover(self, producer: BatchProducer) -> None:
        """Makes a producer the only one of its transactional id, with nothing open of those before.

        It is closed if this fails: left alone it would go on trying, and fence the one made next.

        Raises:
            KafkaError: no answer, or a refusal.
        """
        name = producer.config["transactional_id"]
        try:
            with contextlib.closing(self._admin()) as admin:
                # Asked before the id is taken, which wipes the answer; if what follows fails, it
                # is known when this is tried again.
                self._last = self._last or _last_state(admin, name)
                producer.init_transactions()
                if self._last is not None:
                    commit = self._last is TransactionState.COMPLETE_COMMIT
                    producer.end_all(self._places(producer), self._group, commit=commit)
                    _last_state(admin, name)  # is known when all markers are written
            self._last = None
        except BaseException:
            producer.close(timeout=0)
            raise

    def _admin(self) -> TidyAdmin:
        wait_ms = round(1000 * _ANSWER_S)
        return TidyAdmin(
            **self._connection, bootstrap_timeout_ms=wait_ms, request_timeout_ms=wait_ms
        )

    def _places(self, producer: BatchProducer) -> list[TopicPartition]:
        places = []
        for topic in self._topics:
            try:
                partitions = producer.partitions_for(topic)
            except KafkaTimeoutError as error:
                raise KafkaTimeoutError(f"nothing is known of topic {topic}") from error
            places += [TopicPartition(topic, partition) for partition in partitions]
        for place in places:
            # The end of what lies there would be forgotten once more.
            if producer._metadata.leader_for_partition(place) in (None, _NO_LEADER):
                raise LeaderNotAvailableError(f"{place.topic} {place.partition} has no leader")
        return places


def _last_state(admin: TidyAdmin, name: str) -> TransactionState | None:
    """How the last transaction of this name ended; ``None``: there was none, or nobody knows."""
    give_up_at = time.monotonic() + _ANSWER_S
    while True:
        try:
            state = TransactionState(admin.describe_transactions([name])[name].state)
            if state not in _NOT_YET_ENDED:
                return state
        except TransactionalIdNotFoundError:
            return None
        except UnsupportedVersionError:
            return None  # a broker before 3.0 cannot be asked
        except RetriableError:
            if time.monotonic() > give_up_at:
                raise
        if time.monotonic() > give_up_at:
            raise KafkaTimeoutError(f"the transaction of {name} does not come to its end")
        time.sleep(_ASK_AGAIN_S)
