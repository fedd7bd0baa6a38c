"""Transaction recovery: a new producer ends everywhere what its predecessor left open.

Taking the transactional id should do that. But a coordinator of Kafka 4 takes a partition that has
no leader at that moment (all its replicas are away, or a lone broker comes back) for a deleted one:
it sends no marker there and calls the transaction complete. The records there stay open. Readers of
committed records wait for them without end, the group's offsets cannot be read, and the next
transaction of the same producer would take them along, whether theirs was committed or aborted.
Observed by killing brokers, and confirmed in their log: docs/decisions/019.

So a new producer asks how the last transaction of its id ended, and ends every partition that it
may have touched in the same way. Where nothing is open, such a marker has no effect.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
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


class TransactionRecovery:
    """Ends the open transactions of earlier producers; remembers their outcome across attempts.

    Args:
        connection: settings of the Kafka clients.
        topics: all topics that producers of this id write to.
        group: the consumer group whose offsets they commit.
    """

    def __init__(
        self, connection: Mapping[str, Any], topics: Sequence[str], group: str | None = None
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._group = group
        self._last: TransactionState | None = None

    def recover(self, producer: BatchProducer, left_out: Collection[str] = ()) -> None:
        """Makes a producer the only one of its transactional id, with nothing open of earlier ones.

        The producer is closed if this fails: otherwise it would go on trying, and fence the next.

        Args:
            producer: a new one.
            left_out: topics that cannot be written now, so nothing can be ended there.

        Raises:
            KafkaError: a broker does not answer, or refuses.
        """
        name = producer.config["transactional_id"]
        try:
            with contextlib.closing(self._admin()) as admin:
                # Asked before the id is taken, which wipes the answer; kept if a later step fails,
                # for the next attempt.
                self._last = self._last or _last_state(admin, name)
                producer.init_transactions()
                if self._last is not None:
                    commit = self._last is TransactionState.COMPLETE_COMMIT
                    tps = self._partitions(producer, left_out)
                    producer.end_all(tps, self._group, commit=commit)
                    _last_state(admin, name)  # returns when all markers are written
            self._last = None
        except BaseException:
            producer.close(timeout=0)
            raise

    def _admin(self) -> TidyAdmin:
        wait_ms = round(1000 * _ANSWER_S)
        return TidyAdmin(
            **self._connection, bootstrap_timeout_ms=wait_ms, request_timeout_ms=wait_ms
        )

    def _partitions(
        self, producer: BatchProducer, left_out: Collection[str]
    ) -> list[TopicPartition]:
        tps = []
        for topic in (topic for topic in self._topics if topic not in left_out):
            try:
                numbers = producer.partitions_for(topic)
            except KafkaTimeoutError as error:
                raise KafkaTimeoutError(f"no broker describes topic {topic}") from error
            tps += [TopicPartition(topic, number) for number in numbers]
        for tp in tps:
            # Without a leader the marker would be forgotten once more.
            if producer._metadata.leader_for_partition(tp) in (None, _NO_LEADER):
                raise LeaderNotAvailableError(f"{tp.topic} {tp.partition} has no leader")
        return tps


def _last_state(admin: TidyAdmin, name: str) -> TransactionState | None:
    """The outcome of the last transaction of this id; ``None`` if there was none, or is unknown."""
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
            raise KafkaTimeoutError(f"the transaction of {name} did not end in {_ANSWER_S:.0f} s")
        time.sleep(_ASK_AGAIN_S)
