"""The log in Kafka: one consumer of a group, one transactional producer. Offsets: `ports.log`."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from kafka import TopicPartition
from kafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnstableOffsetCommitError,
)
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from streamer.adapters.kafka.answers import ClientHung
from streamer.adapters.kafka.assignment import Assignment
from streamer.adapters.kafka.batch_size import BatchSize
from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.ends import Ends
from streamer.adapters.kafka.errors import (
    NO_ANSWER,
    close_quietly,
    interruption,
    kafka_errors,
    translated,
)
from streamer.adapters.kafka.fetched import DamagedBatch
from streamer.adapters.kafka.fresh import add_fresh
from streamer.adapters.kafka.group import has_all_partitions
from streamer.adapters.kafka.optional_topics import OptionalTopics
from streamer.adapters.kafka.options import (
    ASK_TIMEOUT_MS,
    TRANSACTION_TIMEOUT_MS,
    KafkaOptions,
    new_consumer,
    new_producer,
    partition_fetch_bytes,
)
from streamer.adapters.kafka.output_timestamps import OutputTimestamps
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.read import timestamp_before
from streamer.adapters.kafka.recovery import TransactionRecovery
from streamer.core.records import Records
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import Interrupted, LogUnavailable, Output, Polled, Topic

# A reachable broker describes itself within the metadata's age (5 s); after three it is away.
_SILENCE_MS: Final = 15_000
# Observed on real brokers, rarely: a member gets no partition although the group is stable.
_STUCK_S: Final = 30.0
_LOOK_AT_GROUP_S: Final = 5.0  # whether others have all partitions; a request, and nothing waits
# One partition's questions hold up the records of the others; a broker that is up needs some 5 ms.
_ANSWER_MS: Final = 1_000
# The markers of a transaction that has just ended are written within some 10 ms.
_SETTLES_S: Final = 0.2
_ASK_AGAIN_S: Final = 0.01
# A transaction of another instance ends by then. One that is still open may be one of our own whose
# end a broker has forgotten.
_OWN_AFTER_S: Final = 10.0
_NO_ID: Final = uuid.UUID(int=0)  # brokers before 2.8 give a topic no id


class KafkaLog:
    """The log that production uses.

    Args:
        options: how to reach Kafka.
        fault: called with ``in_transaction`` when messages are sent and not committed.

    Raises:
        LogUnavailable: no broker answers.
    """

    def __init__(self, options: KafkaOptions, fault: Fault = no_fault) -> None:
        self._options = options
        self._fault = fault
        self._owned: set[int] = set()
        self._reported: dict[int, int] = {}  # the positions that the caller knows
        self._unplaced: set[int] = set()  # gained, and not sought yet
        self._clock = OutputTimestamps()
        self._batches = BatchSize()
        self._ends = Ends()
        self._unsettled_since: dict[int, float] = {}
        self._notes: dict[int, str | None] = {}
        self._is_spare = False
        self._is_hung = False
        self._listener = Assignment()
        with kafka_errors():
            self._consumer = new_consumer(options, self._listener)
        self._membership: ConsumerGroupMetadata | None = None  # of the partitions we own
        self._optional = OptionalTopics(options.connection, options.optional)
        self._recovery = TransactionRecovery(options.connection, options.outputs, options.group_id)
        self._producer: BatchProducer | None = None
        self._has_committed = False  # since the last recovery
        self._unassigned_since = time.monotonic()
        self._looked_at_group = -math.inf

    def poll(self, timeout_s: float) -> Polled:
        """See ``EventLog``."""
        if self._is_hung:
            self._replace_consumer()
        self._rejoin_if_stuck()
        damaged: dict[int, str] = {}
        gone: set[int] = set()
        with kafka_errors(), self._noting_hang():
            has_waiting = self._consumer.has_waiting
            try:
                fetched = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
                if has_waiting and fetched:
                    self._is_hung = add_fresh(self._consumer, fetched)
            except NoOffsetForPartitionError:
                fetched = {}  # gained for the first time ever: the take-over sets its position
            except DamagedBatch as error:
                fetched, damaged = {}, {error.partition: str(error)}
            except OffsetOutOfRangeError as error:
                # The group's offset, or ours, is not in the log: the take-over blocks these.
                fetched, gone = {}, {tp.partition for tp in error.args[0]}
                self.pause(list(gone))
            if not fetched:
                self._refuse_silence()
            # Not the present generation: that may already be the one after these records.
            self._membership = self._consumer.assigned_as
            now = {tp.partition for tp in self._consumer.assignment()}
        revoked, self._listener.revoked = self._listener.revoked, set()
        # A partition revoked and assigned again within one poll had another owner in between.
        lost = (self._owned - now) | (self._owned & revoked)
        gained = now - (self._owned - lost)
        self._owned = now
        if lost or gained:
            self._consumer.fetch_at_most(partition_fetch_bytes(len(now)))
        for partition in lost:
            self._reported.pop(partition, None)
            self._ends.forget(partition)
        # The take-over sets its position. Until then nothing is asked or read for it: a transaction
        # that is open there would hold up the records of all the others.
        self._unplaced = (self._unplaced - lost) | gained
        for tp in map(self._tp, gained):
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)
        self._optional.ask_again()
        polled = Polled(
            sorted(gained), sorted(lost), topic=self._described(), left_out=self._optional.left_out
        )
        # A gained partition has no position yet: its records come again after the seek.
        kept = now - gained
        parts = {tp.partition: parts for tp, parts in fetched.items() if tp.partition in kept}
        polled.records = Records.joined(list(chain.from_iterable(parts.values())))
        self._clock.follow(polled.records)
        polled.positions = self._moved()
        polled.damaged = {p: why for p, why in damaged.items() if p in kept}
        polled.gone = gone & kept
        polled.is_spare = self._is_spare and not now
        positions = {self._tp(p): position for p, position in self._reported.items()}
        polled.left = self._ends.left(self._consumer, positions)
        if now:
            self._unassigned_since = time.monotonic()
        return polled

    def committed(self, partition: int) -> int | None:
        """See ``EventLog``."""
        with kafka_errors():
            try:
                committed = self._settled_offset(partition)
            except UnstableOffsetCommitError as error:
                self._end_own(partition)
                raise LogUnavailable(
                    f"Kafka: the committed offset of partition {partition} is not settled: a "
                    "transaction of another instance is open; see docs/operations.md"
                ) from error
        self._unsettled_since.pop(partition, None)
        self._notes[partition] = committed.metadata if committed is not None else None
        return None if committed is None else int(committed.offset)

    def bounds(self, partition: int) -> tuple[int, int]:
        """See ``EventLog``."""
        tp = self._tp(partition)
        with kafka_errors():
            first = self._consumer.beginning_offsets([tp], _ANSWER_MS)[tp]
            end = self._consumer.end_offsets([tp], _ANSWER_MS)[tp]
        return first, end

    def offset_at(self, partition: int, timestamp_ms: int) -> int | None:
        """See ``EventLog``."""
        tp = self._tp(partition)
        with kafka_errors():
            first = self._consumer.offsets_for_times({tp: max(0, timestamp_ms)}, _ANSWER_MS)[tp]
        return None if first is None else int(first.offset)

    def timestamp_at(self, partition: int, offset: int) -> int | None:
        """See ``EventLog``."""
        tp, (first, _) = self._tp(partition), self.bounds(partition)
        if offset <= first:
            return None
        with kafka_errors():
            return timestamp_before(self._options.connection, tp, first, offset)

    def seek(self, partition: int, offset: int) -> None:
        """See ``EventLog``."""
        with contextlib.suppress(ValueError):  # revoked since the poll: the next poll reports it
            self._consumer.seek(self._tp(partition), offset)
            self._reported[partition] = offset
            if partition in self._unplaced:
                self._unplaced.remove(partition)
                self.resume([partition])

    def pause(self, partitions: Sequence[int]) -> None:
        """See ``EventLog``."""
        for tp in map(self._tp, partitions):
            with contextlib.suppress(KeyError):  # as in `seek`
                self._consumer.pause(tp)

    def resume(self, partitions: Sequence[int]) -> None:
        """See ``EventLog``."""
        for tp in map(self._tp, partitions):
            with contextlib.suppress(KeyError):  # as in `seek`
                self._consumer.resume(tp)

    def noted(self, partition: int) -> str | None:
        """See ``EventLog``."""
        return self._notes.get(partition)

    def noted_elsewhere(self, partition: int) -> str | None:
        """See ``EventLog``."""
        with kafka_errors():
            # Not `partitions_for_topic` of the consumer: that asks without end.
            known = self._consumer._cluster.partitions_for_topic(self._options.topic)
            if known is None:
                raise KafkaTimeoutError(f"the partitions of {self._options.topic} are not known")
            for other in sorted(known - {partition}):
                with contextlib.suppress(UnstableOffsetCommitError):
                    committed = self._consumer.settled_offset(self._tp(other), _ANSWER_MS)
                    if committed is not None:
                        return str(committed.metadata)
        return None

    def transact(
        self,
        outputs: Sequence[Output],
        offsets: Mapping[int, int],
        notes: Mapping[int, str] | None = None,
    ) -> None:
        """See ``EventLog``."""
        positions = {
            self._tp(partition): OffsetAndMetadata(offset, (notes or {}).get(partition, ""), -1)
            for partition, offset in offsets.items()
        }
        producer, membership = self._producer, self._membership
        if producer is None:
            raise Interrupted("there is no producer yet: call recover first")
        if membership is None:
            raise Interrupted("no partition was assigned yet")
        began = time.monotonic()
        try:
            producer.begin_transaction()
            futures = producer.send_all(self._optional.kept(outputs), self._clock.stamp_ms())
            producer.send_offsets_to_transaction(positions, membership)
            # kafka-python would commit without a batch that has expired or was lost in a change of
            # epoch: only its future fails. So the commit waits until every batch has arrived.
            producer.flush(timeout=TRANSACTION_TIMEOUT_MS / 1000)
            for future in futures:
                if not future.succeeded():
                    future.get(timeout=0)
            self._fault("in_transaction")
            producer.commit_transaction()
            self._has_committed = True
            self._batches.went_through()
            producer.most_bytes = self._batches.most_bytes
        except NO_ANSWER as error:
            self._clock.note(error)
            if MessageSizeTooLargeError.__name__ in repr(error):  # by itself, or as the cause
                self._batches.refused()
            raise interruption(error, began) from error

    def recover(self) -> None:
        """See ``EventLog``."""
        old, self._producer = self._producer, None
        close_quietly(old, timeout=0)
        self._optional.ask()
        # A new producer of the same transactional id ends the old one's open transaction.
        with kafka_errors():
            producer = new_producer(self._options)
            producer.most_bytes = self._batches.most_bytes
            self._recovery.recover(producer, self._optional.left_out)
        self._producer = producer
        self._has_committed = False

    def topic(self) -> Topic:
        """See ``EventLog``."""
        with kafka_errors():
            admin = TidyAdmin(**self._options.connection, bootstrap_timeout_ms=ASK_TIMEOUT_MS)
            with contextlib.closing(admin):
                (topic,) = admin.describe_topics([self._options.topic])
        return Topic(str(topic.get("topic_id") or _NO_ID), len(topic["partitions"]))

    def close(self) -> None:
        """See ``EventLog``."""
        close_quietly(self._producer)
        close_quietly(self._consumer)

    def _settled_offset(self, partition: int) -> OffsetAndMetadata | None:
        give_up_at = time.monotonic() + _SETTLES_S
        unsettled: UnstableOffsetCommitError | None = None
        while True:
            try:
                return self._consumer.settled_offset(self._tp(partition), _ANSWER_MS)
            except UnstableOffsetCommitError as error:
                unsettled = error
            except KafkaTimeoutError as error:
                if unsettled is not None:  # what the coordinator has answered stands
                    raise unsettled from error
                raise
            if time.monotonic() > give_up_at:
                raise unsettled
            time.sleep(_ASK_AGAIN_S)

    def _moved(self) -> dict[int, int]:
        """The positions that have moved; the consumer's own, past the markers of transactions."""
        moved = {}
        for partition, reported in self._reported.items():
            position = self._consumer.known_position(self._tp(partition))
            if position is not None and position > reported:
                moved[partition] = self._reported[partition] = position
        return moved

    def _end_own(self, partition: int) -> None:
        """Ends our own last transaction once more, if it may be what keeps an offset unsettled."""
        now = time.monotonic()
        since = self._unsettled_since.setdefault(partition, now)
        if self._has_committed and now - since > _OWN_AFTER_S:
            self._unsettled_since[partition] = now
            self.recover()

    def _refuse_silence(self) -> None:
        """Raises if the brokers are away; an empty poll alone could be a log without events.

        Raises:
            LogUnavailable: no broker has answered for ``_SILENCE_MS``.
            ClientHung: nor has the client itself.
        """
        last_ms = self._consumer._cluster._last_successful_refresh_ms
        silent_ms = time.monotonic() * 1000 - last_ms
        if silent_ms > _SILENCE_MS:
            self._consumer.ping()
            error = KafkaTimeoutError(f"no broker has answered for {silent_ms / 1000:.0f} s")
            raise translated(error, last_ms / 1000)

    def _described(self) -> Topic | None:
        """The topic by the consumer's own metadata: no request, so no wait."""
        cluster, topic = self._consumer._cluster, self._options.topic
        partitions = cluster.partitions_for_topic(topic)
        topic_id = str(cluster.topic_id(topic) or _NO_ID)
        return Topic(topic_id, len(partitions)) if partitions else None

    def _rejoin_if_stuck(self) -> None:
        """Replaces a consumer without partitions; keeps the old one until the new one is there."""
        if self._owned:
            self._is_spare = False
            return
        now = time.monotonic()
        waits_s = now - self._unassigned_since
        if min(waits_s, now - self._looked_at_group) > _LOOK_AT_GROUP_S:
            self._looked_at_group = now
            wanted = self._consumer._cluster.partitions_for_topic(self._options.topic) or set()
            self._is_spare = has_all_partitions(self._options, wanted)
        if waits_s <= _STUCK_S or self._is_spare:
            return
        # If no broker answers, the next attempt comes half a minute later, not at the next poll.
        self._unassigned_since = now
        self._replace_consumer()

    @contextlib.contextmanager
    def _noting_hang(self) -> Iterator[None]:
        try:
            yield
        except ClientHung:
            self._is_hung = True
            raise

    def _replace_consumer(self) -> None:
        """Joins the group with another consumer; what this one had is lost with the next poll."""
        listener, old = Assignment(), self._consumer
        with kafka_errors():
            self._consumer = new_consumer(self._options, listener)
        self._listener, self._is_hung = listener, False
        # One that hangs answers late or never. The group gives it up after its session.
        close = partial(close_quietly, old, autocommit=False)
        threading.Thread(target=close, name="close", daemon=True).start()

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._options.topic, partition)
