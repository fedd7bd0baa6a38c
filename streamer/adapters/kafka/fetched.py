"""The fetched records of one partition as columns, instead of one object a record.

Replaces ``Fetcher.PartitionRecords`` of kafka-python 3.0.12; the fetcher itself is unchanged:
sessions, positions, pauses, transactions. Batches that follow each other are parsed together, since
producers that do not wait write small ones. Reasons and assumptions: docs/decisions/020.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

from streamer.adapters.kafka.batch_frames import CHECKED, FORMAT, HEADER, MAGIC, Frame, end_of
from streamer.adapters.kafka.client_fixes import ResumingConsumer
from streamer.adapters.kafka.codecs import unpack
from streamer.adapters.kafka.odd_batches import read
from streamer.adapters.kafka.record_batches import Span, parse
from streamer.core.records import Records

# Parsed at once: the size of one partition's part of a fetch. A larger batch is parsed alone.
_GROUP_BYTES: Final = 1024 * 1024
# Parsing columns costs as much as kafka-python's parser takes for this many records, if each batch
# counts for so many more.
_FEW: Final = 22
_RECORDS_A_BATCH: Final = 6


class DamagedBatch(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """A batch whose bytes are not those that were written; another fetch may bring whole ones.

    Attributes:
        partition: its partition.
        offset: the first offset that cannot be read.
    """

    def __init__(self, partition: int, offset: int, why: Exception) -> None:
        super().__init__(f"offset {offset} is damaged: {type(why).__name__}: {why}")
        self.partition = partition
        self.offset = offset


class Taken:
    """Parts of records, whose length is their number of records.

    kafka-python extends a list by the result of `take` and counts the result's length: the list
    gets the parts, the length counts records.
    """

    def __init__(self, parts: list[Records]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Records]:
        return iter(self._parts)


class PartitionBatches(Fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's part of a fetch; kafka-python's fetcher creates and drains it."""

    def __init__(self, fetch_offset: int, tp: Any, records: MemoryRecords, **options: Any) -> None:
        super().__init__(fetch_offset, tp, records, **options)
        self._data = bytes(records._buffer)
        self._view = memoryview(self._data)
        self._is_committed_only = self.isolation_level == IsolationLevel.READ_COMMITTED
        self._at = 0  # index of the next batch's first byte
        self._alone_until = 0  # batches that begin before this are parsed one by one
        self._parsed = Records.of()
        self._damaged: DamagedBatch | None = None  # comes after the parsed records
        self._end: int | None = None  # the offset after the last batch that was read
        self._is_before = True  # nothing at or after the wanted offset has come yet

    def take(self, n: int | None = None) -> Taken:
        """Returns the next records, ``n`` at most, and moves ``next_fetch_offset`` past them.

        Raises:
            DamagedBatch: the next bytes are damaged. The fetcher goes on with other partitions,
                and fetches this one again from ``next_fetch_offset``.
        """
        left = sys.maxsize if n is None else n
        parts: list[Records] = []
        while left > 0 and self:
            if self._parsed:
                part, self._parsed = self._parsed[:left], self._parsed[left:]
                self.next_fetch_offset = part.offset.item(-1) + 1
                parts.append(part)
                left -= len(part)
            elif self._damaged is None:
                self._advance()
            elif parts:
                break
            else:
                damaged, self._damaged = self._damaged, None
                self.drain()
                raise damaged
        return Taken(parts)

    def _advance(self) -> None:
        """Parses the next batches, or ends if none is left."""
        if end_of(self._data, self._at) is None:  # a batch that is cut short is fetched again
            if self._end is not None:  # a batch may end beyond its last record
                self.next_fetch_offset = self._end
            self.drain()
            return
        group, data, spans = self._group()
        records = None
        if sum(frame.n + _RECORDS_A_BATCH for frame in group) >= _FEW:
            records = parse(data, spans, self.topic_partition.partition)
        if records is not None:
            self.leader_epoch = group[-1].leader_epoch
            self._hold(records, group[-1].end - self._at)
            self._follow_transactions(group)
            self._at, self._end = group[-1].end, group[-1].last_offset + 1
        elif len(group) > 1:
            self._alone_until = group[-1].end
        else:
            self._read_one()

    def _group(self) -> tuple[list[Frame], bytes, list[Span]]:
        """Returns plain batches that follow each other, their bytes, and the spans of records."""
        frames: list[Frame] = []
        unpacked: list[bytes] = []
        spans: list[Span] = []
        at, size = self._at, 0
        while size < _GROUP_BYTES and (frame := self._plain(at)) is not None:
            if frames and (frame.kind != frames[0].kind or self._at < self._alone_until):
                break
            if frame.codec:
                try:
                    unpacked.append(unpack(frame.codec, self._data[frame.records : frame.end]))
                except Exception:  # read again, and then refused, when it is the first of a group
                    break
                spans.append(frame.span(size, size + len(unpacked[-1])))
                size += len(unpacked[-1])
            else:
                spans.append(frame.span(frame.records, frame.end))
                size += frame.end - frame.start
            frames.append(frame)
            at = frame.end
        return frames, b"".join(unpacked) if unpacked else self._data, spans

    def _plain(self, at: int) -> Frame | None:
        """Returns the frame of the batch at ``at``, ``None`` if it needs a closer look."""
        end = end_of(self._data, at)
        if end is None or end - at < HEADER.size or self._data[at + MAGIC] != FORMAT:
            return None
        frame = Frame.read(self._data, at, end)
        if frame.is_control_batch or frame.n < 0:
            return None
        if self.check_crcs and calc_crc32c(self._view[at + CHECKED : end]) != frame.crc:
            return None
        if self._is_committed_only and frame.producer_id >= 0 and self._may_be_aborted(frame):
            return None
        return frame

    def _may_be_aborted(self, frame: Frame) -> bool:
        """Whether a batch may be part of an aborted transaction.

        Follows nothing yet: the batches before it may be read again, alone, and one that its
        producer committed would then count as aborted.
        """
        return self._is_batch_aborted(frame) or any(
            transaction.producer_id == frame.producer_id
            and transaction.first_offset <= frame.last_offset
            for transaction in self.aborted_transactions
        )

    def _follow_transactions(self, group: Sequence[Frame]) -> None:
        """Notes which aborted transactions have begun by the end of batches that were read."""
        if self._is_committed_only and self.aborted_transactions:
            for frame in group:
                if frame.producer_id >= 0:
                    self._consume_aborted_transactions_up_to(frame.last_offset)

    def _read_one(self) -> None:
        """Reads the next batch alone, with kafka-python's parser."""
        at, end, tp = self._at, end_of(self._data, self._at), self.topic_partition
        assert end is not None
        content = self._data[at:end]
        try:
            if len(content) < MemoryRecords.MIN_SLICE:
                raise CorruptRecordError(f"a batch of {len(content)} bytes")
            batch = MemoryRecords(content).next_batch()
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError("its checksum is wrong")
            is_skipped = batch.magic == FORMAT and self._skips(batch)
        except Exception as error:  # a parser may raise anything on foreign bytes
            self._damaged = DamagedBatch(tp.partition, self.next_fetch_offset, error)
            self._damaged.__cause__ = error
            return
        self._at, self._end = end, batch.last_offset + 1 if batch.magic == FORMAT else None
        if is_skipped:
            self.next_fetch_offset = batch.next_offset
        else:
            self._hold(read(batch, content, tp.partition, self.check_crcs), len(content))

    def _skips(self, batch: DefaultRecordBatch) -> bool:
        """Whether a batch has no records to return: a marker, or part of an aborted transaction.

        Also follows which transactions are aborted.
        """
        self.leader_epoch = batch.leader_epoch
        if self._is_committed_only and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if _is_abort(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _hold(self, records: Records, n_bytes: int) -> None:
        """Keeps parsed records for `take`, from the wanted offset on."""
        if not records:
            return
        self.records_read += len(records)
        self.bytes_read += n_bytes
        if self._is_before:
            wanted = np.flatnonzero(records.offset >= self.fetch_offset)
            if not len(wanted):
                self.next_fetch_offset = records.offset.item(-1) + 1
                return
            self._is_before = False
            records = records[int(wanted[0]) :]
        self._parsed = records


def _is_abort(batch: DefaultRecordBatch) -> bool:
    """Whether a batch is the marker of an aborted transaction."""
    if not batch.is_control_batch:
        return False
    marker = next(batch, None)
    if marker is None:
        raise RuntimeError("a transaction's marker is missing")
    return bool(marker.abort)


class BatchConsumer(ResumingConsumer):
    """A consumer whose `poll` returns ``Records`` by partition, without deserializing them."""

    def __init__(self, *topics: str, **configs: Any) -> None:
        super().__init__(*topics, **configs)
        self._fetcher.PartitionRecords = PartitionBatches
