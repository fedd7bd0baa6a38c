"""A transactional producer of whole batches, with a tenth of the work per record of `send`.

`KafkaProducer.send` checks, sizes, locks and makes a future for each record. Here the records of a
partition are encoded together (format v2, https://kafka.apache.org/documentation/#recordbatch) and
handed to the same accumulator as one batch; sending, retrying, transactions stay kafka-python's.
Reasons and costs: docs/decisions/012.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError, NoError
from kafka.producer.future import FutureRecordMetadata
from kafka.producer.producer_batch import ProducerBatch
from kafka.producer.transaction_manager import AddOffsetsToTxnHandler, FindCoordinatorHandler
from kafka.protocol.metadata import CoordinatorType
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import ConsumerGroupMetadata

from streamer.adapters.chunks import chunks
from streamer.adapters.kafka.errors import NO_ANSWER, close_quietly
from streamer.adapters.kafka.sender import EagerSender
from streamer.ports.log import Output

_FORMAT: Final = 2
_NO_COMPRESSION: Final = 0
# The producer's queue has no bound of its own; a full batch of ordinary messages is 2 MB.
_UNACKNOWLEDGED_BYTES: Final = 32 * 1024 * 1024


def _varint(number: int) -> bytes:
    """A zigzag variable-length integer, as Protocol Buffers' sint64."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


class _Numbers(dict[int, bytes]):
    """Variable-length integers by their values; the small ones are kept."""

    def __missing__(self, number: int) -> bytes:
        encoded = _varint(number)
        if len(self) < _MOST_KEPT:
            self[number] = encoded
        return encoded


class _Names(dict[str, bytes]):
    """Encoded names of headers, the few that the service writes."""

    def __missing__(self, name: str) -> bytes:
        content = name.encode()
        encoded = self[name] = _NUMBER[len(content)] + content
        return encoded


_MOST_KEPT: Final = 16_384
_NUMBER: Final = _Numbers()
_NAME: Final = _Names()
_NULL: Final = _NUMBER[-1]


class BatchProducer(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """`KafkaProducer` with `send_all`; it takes the same options.

    Attributes:
        most_bytes: of a batch. A topic may take less than was thought: set it lower then.
    """

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self.most_bytes: int = self.config["batch_size"]
        self._sender.__class__ = EagerSender  # there is no option for it
        # A batch that is too large for its topic would be split, and its future would never end.
        self._sender._can_split = lambda _batch, _error: False

    def send_all(
        self, outputs: Sequence[Output], timestamp_ms: int | None = None
    ) -> list[FutureRecordMetadata]:
        """Queues records in the running transaction.

        Args:
            outputs: the records.
            timestamp_ms: of all of them; ``None`` for the time of this call.

        Returns:
            A future for each batch that the records were put into.

        Raises:
            KafkaError: the queue is full and is not acknowledged in time.
        """
        futures: list[FutureRecordMetadata] = []
        stamp_ms = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms
        for chunk in chunks(outputs, _value_bytes, _UNACKNOWLEDGED_BYTES):
            if futures:
                self.flush(timeout=self.config["delivery_timeout_ms"] / 1000)
            by_partition: dict[tuple[str, int], list[Output]] = {}
            for output in chunk:
                by_partition.setdefault(output[:2], []).append(output)
            for tp, of_partition in by_partition.items():
                futures += self._queue(TopicPartition(*tp), of_partition, stamp_ms)
        self._sender.wakeup()
        return futures

    def _queue(
        self, tp: TopicPartition, outputs: Sequence[Output], timestamp_ms: int
    ) -> list[FutureRecordMetadata]:
        self.partitions_for(tp.topic)  # waits until the topic's leaders are known
        self._transaction_manager.maybe_add_partition_to_transaction(tp)
        accumulator = self._accumulator
        futures = []
        for records in _batches(outputs, self.most_bytes, timestamp_ms):
            batch = ProducerBatch(tp, records)
            # One future stands for the batch: its records are taken or lost together.
            future = FutureRecordMetadata(batch.produce_future, 0, None, None, -1, -1, -1)
            batch._record_futures.append(future)
            with accumulator._tp_lock(tp):
                accumulator._batches[tp].append(batch)
                accumulator._incomplete.add(batch)
            futures.append(future)
        return futures

    def send_offsets_to_transaction(self, offsets: Any, group_metadata: Any) -> None:
        """As `KafkaProducer`'s, which would wait without end if the broker has gone away.

        Raises:
            KafkaTimeoutError: no answer within ``max_block_ms``.
        """
        sent = self._transaction_manager.send_offsets_to_transaction(offsets, group_metadata)
        self._wait_for(sent, "adding offsets to a transaction")

    def commit_transaction(self) -> None:
        """As `KafkaProducer`'s, with a bound on the wait.

        Raises:
            KafkaTimeoutError: no answer within ``max_block_ms``; it may have been committed.
        """
        self._wait_for(self._transaction_manager.begin_commit(), "committing a transaction")

    def end_all(self, tps: Sequence[TopicPartition], group: str | None, *, commit: bool) -> None:
        """Ends every open transaction of this id on these partitions and in the group's offsets.

        It does so by an empty transaction: its markers end everything before them. They are written
        some time after this returns.

        Raises:
            KafkaError: a broker refuses, or does not answer within ``max_block_ms``.
        """
        manager = self._transaction_manager
        if group is not None:  # begin only if the group's offsets have a leader
            finding = FindCoordinatorHandler(manager, CoordinatorType.GROUP, group)
            manager._enqueue_request(finding)
            self._wait_for(finding.result, "finding the group's coordinator")
        self.begin_transaction()
        # All requests are queued at once: if one fails, the client aborts the transaction, whether
        # it was to be committed or not.
        with manager._lock:
            manager._new_partitions_in_transaction.update(tps)
            manager._enqueue_request(manager._add_partitions_to_transaction_handler())
            if group is not None:
                metadata = ConsumerGroupMetadata(group_id=group)
                manager._enqueue_request(_AddOffsets(manager, metadata, {}))
            ending = manager.begin_commit() if commit else manager.begin_abort()
        self._wait_for(ending, "ending open transactions")

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """As `KafkaProducer`'s, whose sender would never end at timeout 0 if a broker is away."""
        if timeout == 0:
            self._sender.force_close()
        super().close(timeout, null_logger)

    def give_up(self) -> None:
        """Closes within some seconds, also while a broker is away; what waits for it fails."""
        try:
            self.close(timeout=1)
        except NO_ANSWER:
            close_quietly(self, timeout=0)

    def _wait_for(self, result: Any, request: str) -> None:
        self._sender.wakeup()
        wait_ms = self.config["max_block_ms"]
        if not result.wait(timeout_ms=wait_ms):
            raise KafkaTimeoutError(f"{request}: no answer within {wait_ms} ms")


class _AddOffsets(AddOffsetsToTxnHandler):  # type: ignore[misc]
    """Adds a group's offsets to a transaction without committing any."""

    def handle_response(self, response: Any) -> None:
        if response.error_code != NoError.errno:
            super().handle_response(response)
            return
        self.transaction_manager._transaction_started = True
        self._result.done()


def _value_bytes(output: Output) -> int:
    return len(output.value or b"")


class _Records(MemoryRecordsBuilder):  # type: ignore[misc]
    """A record batch made of encoded records."""

    __slots__ = ()

    def __init__(self, encoded: Sequence[bytes], timestamp_ms: int) -> None:
        content = b"".join(encoded)
        super().__init__(_FORMAT, _NO_COMPRESSION, len(content))
        builder = self._builder
        builder._buffer += content
        builder._first_timestamp = builder._max_timestamp = timestamp_ms
        builder._num_records = len(encoded)
        builder._last_offset = len(encoded) - 1
        self.skip(len(encoded))


def _batches(outputs: Sequence[Output], most_bytes: int, timestamp_ms: int) -> Iterator[_Records]:
    """Cuts records into batches of at most ``most_bytes``; a larger record is a batch alone."""
    encoded: list[bytes] = []
    size = 0
    common: Sequence[tuple[str, bytes]] = ()
    prefix = b""
    for output in outputs:
        if output.common is not common:
            common = output.common
            prefix = b"".join(_NAME[name] + _NUMBER[len(text)] + text for name, text in common)
        record = _encode(output, prefix, len(encoded))
        if encoded and size + len(record) > most_bytes:
            yield _Records(encoded, timestamp_ms)
            record = _encode(output, prefix, 0)
            encoded, size = [], 0
        encoded.append(record)
        size += len(record)
    if encoded:
        yield _Records(encoded, timestamp_ms)


def _encode(output: Output, common: bytes, index: int) -> bytes:
    """Encodes a record.

    Args:
        output: the record.
        common: its common headers, encoded.
        index: its offset in the batch, whose timestamp it shares.
    """
    _, _, key, value, headers, shared = output
    parts = [
        b"\0\0",  # no attributes, and no time after the batch's
        _NUMBER[index],
        *((_NULL,) if key is None else (_NUMBER[len(key)], key)),
        *((_NULL,) if value is None else (_NUMBER[len(value)], value)),
        _NUMBER[len(shared) + len(headers)],
        common,
    ]
    for name, content in headers:
        parts += (_NAME[name], _NUMBER[len(content)], content)
    record = b"".join(parts)
    return _NUMBER[len(record)] + record
