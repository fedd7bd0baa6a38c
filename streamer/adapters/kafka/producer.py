"""A transactional producer that takes whole batches: a tenth of the work per record of `send`.

`KafkaProducer.send` checks, sizes, locks and makes a future for each record. Here the records of a
partition are encoded together (format v2, https://kafka.apache.org/documentation/#recordbatch) and
handed to the same accumulator as one batch; sending, retrying, transactions stay kafka-python's.
Why, and what it costs: docs/decisions/012.
"""

from __future__ import annotations

import functools
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


_SMALL: Final = [_varint(number) for number in range(16_384)]
_NULL: Final = _varint(-1)


def _length(content: bytes) -> bytes:
    size = len(content)
    return _SMALL[size] if size < len(_SMALL) else _varint(size)


class BatchProducer(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """`KafkaProducer` with `send_all`; configured as that."""

    def send_all(self, outputs: Sequence[Output]) -> list[FutureRecordMetadata]:
        """Queues records, stamped now, inside the running transaction.

        Returns:
            A future for each batch that they were put into.

        Raises:
            KafkaError: what was queued before more may be is not acknowledged in time.
        """
        futures: list[FutureRecordMetadata] = []
        for share in chunks(outputs, _value_bytes, _UNACKNOWLEDGED_BYTES):
            if futures:
                self.flush(timeout=self.config["delivery_timeout_ms"] / 1000)
            places: dict[TopicPartition, list[Output]] = {}
            for output in share:
                place = TopicPartition(output.topic, output.partition)
                places.setdefault(place, []).append(output)
            for place, mine in places.items():
                futures += self._queue(place, mine)
        self._sender.wakeup()
        return futures

    def _queue(
        self, place: TopicPartition, outputs: Sequence[Output]
    ) -> list[FutureRecordMetadata]:
        self.partitions_for(place.topic)  # waits until the topic's leaders are known
        self._transaction_manager.maybe_add_partition_to_transaction(place)
        accumulator = self._accumulator
        futures = []
        for records in _batches(outputs, self.config["batch_size"]):
            batch = ProducerBatch(place, records)
            # One future stands for the batch: its records are taken or lost together.
            future = FutureRecordMetadata(batch.produce_future, 0, None, None, -1, -1, -1)
            batch._record_futures.append(future)
            with accumulator._tp_lock(place):
                accumulator._batches[place].append(batch)
                accumulator._incomplete.add(batch)
            futures.append(future)
        return futures

    def send_offsets_to_transaction(self, offsets: Any, group_metadata: Any) -> None:
        """As `KafkaProducer`'s, which waits without end when the broker went away meanwhile.

        Raises:
            KafkaTimeoutError: no answer within ``max_block_ms``.
        """
        sent = self._transaction_manager.send_offsets_to_transaction(offsets, group_metadata)
        self._wait_for(sent, "taking offsets into a transaction")

    def commit_transaction(self) -> None:
        """As `KafkaProducer`'s, with an end to the wait.

        Raises:
            KafkaTimeoutError: no answer within ``max_block_ms``; it may have been committed.
        """
        self._wait_for(self._transaction_manager.begin_commit(), "committing a transaction")

    def end_all(self, places: Sequence[TopicPartition], group: str | None, *, commit: bool) -> None:
        """Ends whatever is open of this producer at these places and in the group's offsets.

        A transaction of nothing else; its markers end all that lies there. They are written some
        time after this returns.

        Raises:
            KafkaError: a refusal, or no answer within ``max_block_ms``.
        """
        manager = self._transaction_manager
        if group is not None:  # its offsets have a leader, or nothing is begun
            finding = FindCoordinatorHandler(manager, CoordinatorType.GROUP, group)
            manager._enqueue_request(finding)
            self._wait_for(finding.result, "asking for the group's coordinator")
        self.begin_transaction()
        # All is queued at once, for what fails in the midst of it is taken back, whatever it was.
        with manager._lock:
            manager._new_partitions_in_transaction.update(places)
            manager._enqueue_request(manager._add_partitions_to_transaction_handler())
            if group is not None:
                metadata = ConsumerGroupMetadata(group_id=group)
                manager._enqueue_request(_TakingInOffsets(manager, metadata, {}))
            ending = manager.begin_commit() if commit else manager.begin_abort()
        self._wait_for(ending, "ending what was left open")

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """As `KafkaProducer`'s, which goes on for ever when it should end at once and cannot."""
        if timeout == 0:
            self._sender.force_close()
        super().close(timeout, null_logger)

    def _wait_for(self, result: Any, what: str) -> None:
        self._sender.wakeup()
        if not result.wait(timeout_ms=self.config["max_block_ms"]):
            raise KafkaTimeoutError(f"no answer on {what}")


class _TakingInOffsets(AddOffsetsToTxnHandler):  # type: ignore[misc]
    """Takes the offsets of a group into a transaction without committing any."""

    def handle_response(self, response: Any) -> None:
        if response.error_code != NoError.errno:
            super().handle_response(response)
            return
        self.transaction_manager._transaction_started = True
        self._result.done()


def _value_bytes(output: Output) -> int:
    return len(output.value or b"")


class _Records(MemoryRecordsBuilder):  # type: ignore[misc]
    """A record batch of records that are encoded already."""

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


def _batches(outputs: Sequence[Output], most_bytes: int) -> Iterator[_Records]:
    """Cuts records into batches of at most so many bytes, or of one record that is larger."""
    timestamp_ms = int(time.time() * 1000)
    encoded: list[bytes] = []
    size = 0
    for output in outputs:
        record = _encode(output, len(encoded))
        if encoded and size + len(record) > most_bytes:
            yield _Records(encoded, timestamp_ms)
            record = _encode(output, 0)
            encoded, size = [], 0
        encoded.append(record)
        size += len(record)
    if encoded:
        yield _Records(encoded, timestamp_ms)


def _encode(output: Output, place: int) -> bytes:
    """One record; ``place`` is its offset in the batch, whose time it shares."""
    parts: list[bytes] = [b"\0\0", _SMALL[place] if place < len(_SMALL) else _varint(place)]
    for content in (output.key, output.value):
        parts += (_NULL,) if content is None else (_length(content), content)
    parts.append(_SMALL[len(output.headers)])
    for name, value in output.headers:
        parts += (_name(name), _length(value), value)
    record = b"".join(parts)
    return _length(record) + record


@functools.cache  # the few names that the service writes
def _name(name: str) -> bytes:
    encoded = name.encode()
    return _length(encoded) + encoded
