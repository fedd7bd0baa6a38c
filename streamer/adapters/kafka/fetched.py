"""What a fetch brought of one partition, as columns instead of an object a record.

Takes the place of ``Fetcher.PartitionRecords`` of kafka-python 3.0.12, whose fetcher goes on as it
is: sessions, positions, pauses, transactions. Batches that follow each other are parsed together,
since producers that do not wait write small ones. Why, and what it rests on: docs/decisions/020.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from struct import Struct
from typing import Any, Final, NamedTuple

import numpy as np
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, KafkaError
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c

from streamer.adapters.kafka.client_fixes import ResumingConsumer
from streamer.adapters.kafka.codecs import unpack
from streamer.adapters.kafka.record_batches import Span, as_columns, parse
from streamer.core.records import Records

_HEADER: Final[Struct] = DefaultRecordBatch.HEADER_STRUCT
_LENGTH: Final = Struct(">i")
_ATTRIBUTES: Final = Struct(">h")
_CHECKED: Final[int] = DefaultRecordBatch.ATTRIBUTES_OFFSET  # where begins what the CRC covers
_MAGIC: Final[int] = MemoryRecords.MAGIC_OFFSET
_CODEC_BITS: Final[int] = DefaultRecordBatch.CODEC_MASK
_APPEND_TIME: Final[int] = DefaultRecordBatch.TIMESTAMP_TYPE_MASK
_TRANSACTIONAL: Final[int] = DefaultRecordBatch.TRANSACTIONAL_MASK
_CONTROL: Final[int] = DefaultRecordBatch.CONTROL_MASK
_OVERHEAD: Final = MemoryRecords.LOG_OVERHEAD  # offset and length, before what the length counts
_FORMAT: Final = 2
_LZ4: Final = 3
# Parsed at once: as much as a fetch brings of a partition. A batch that is larger is parsed alone.
_GROUP_BYTES: Final = 1024 * 1024
# Reading columns costs 60 us beside what it costs a record; kafka-python's parser 3 us a record.
_FEW: Final = 16


class BadBatch(KafkaError):  # type: ignore[misc]  # kafka-python has no types
    """Records that cannot be read; ``__cause__`` is what their parser says.

    Attributes:
        partition: where they are.
        first_offset: of the first that cannot be read.
        last_offset: of the last that cannot be read for this reason.
        damaged: whether these are not the bytes that were written: another fetch may bring those.
    """

    def __init__(
        self, partition: int, first_offset: int, last_offset: int, why: Exception, *, damaged: bool
    ) -> None:
        super().__init__(
            f"offsets {first_offset} to {last_offset} of partition {partition} cannot be read: "
            f"{type(why).__name__}: {why}"
        )
        self.partition = partition
        self.first_offset = first_offset
        self.last_offset = last_offset
        self.damaged = damaged


class _Frame(NamedTuple):
    """Where a batch of format v2 is, and the fields of its header that matter."""

    start: int
    end: int
    base_offset: int
    leader_epoch: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_ms: int
    max_ms: int
    producer_id: int
    n: int

    @classmethod
    def read(cls, data: bytes, start: int, end: int) -> _Frame:
        """Reads the header that begins there."""
        (
            base_offset, _, leader_epoch, _, crc, attributes, last_offset_delta, first_ms, max_ms,
            producer_id, _, _, n,
        ) = _HEADER.unpack_from(data, start)  # fmt: skip
        return cls(
            start, end, base_offset, leader_epoch, crc, attributes, last_offset_delta, first_ms,
            max_ms, producer_id, n,
        )  # fmt: skip

    @property
    def records(self) -> int:
        """Where its records begin."""
        return self.start + _HEADER.size

    @property
    def last_offset(self) -> int:
        """The last offset that it takes, also where no record has it any more."""
        return self.base_offset + self.last_offset_delta

    @property
    def codec(self) -> int:
        """How its records are compressed; 0: they are not."""
        return self.attributes & _CODEC_BITS

    @property
    def kind(self) -> tuple[int, bool]:
        """What batches that are parsed together have in common."""
        return self.leader_epoch, bool(self.codec)

    @property
    def is_control_batch(self) -> bool:
        """Whether it is a transaction's marker."""
        return bool(self.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    def span(self, start: int, end: int) -> Span:
        """Its records, which are from ``start`` to ``end`` once they are decompressed."""
        appended = bool(self.attributes & _APPEND_TIME)
        base_ms = self.max_ms if appended else self.first_ms
        return Span(start, end, self.n, self.base_offset, base_ms, appended)


class Taken:
    """Records in parts, counted one by one and handed over whole.

    kafka-python extends a list by what it takes and counts what it took: the list gets the parts,
    the count is of records.
    """

    def __init__(self, parts: list[Records]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Records]:
        return iter(self._parts)


class PartitionBatches(Fetcher.PartitionRecords):  # type: ignore[misc]
    """Made by kafka-python's fetcher for what a fetch brought of a partition, and drained by it."""

    def __init__(self, fetch_offset: int, tp: Any, records: MemoryRecords, **options: Any) -> None:
        super().__init__(fetch_offset, tp, records, **options)
        self._data = bytes(records._buffer)
        self._view = memoryview(self._data)
        self._is_committed_only = self.isolation_level == IsolationLevel.READ_COMMITTED
        self._at = 0  # where the next batch begins
        self._alone_until = 0  # batches that begin before this are parsed one by one
        self._parsed = Records.of()
        self._bad: BadBatch | None = None  # what comes after the parsed records
        self._end: int | None = None  # the offset after the last batch that was read
        self._is_before = True  # nothing at or after the wanted offset has come yet

    def take(self, n: int | None = None) -> Taken:
        """Returns the next records, ``n`` at most; the offset to go on from moves past them.

        Raises:
            BadBatch: the next ones cannot be read. The fetcher goes on with other partitions, and
                fetches this one again from where it is.
        """
        left = sys.maxsize if n is None else n
        parts: list[Records] = []
        while left > 0 and self:
            if self._parsed:
                part, self._parsed = self._parsed[:left], self._parsed[left:]
                self.next_fetch_offset = part.offset.item(-1) + 1
                parts.append(part)
                left -= len(part)
            elif self._bad is None:
                self._advance()
            elif parts:
                break
            else:
                bad, self._bad = self._bad, None
                self.drain()
                raise bad
        return Taken(parts)

    def _advance(self) -> None:
        """Parses what comes next, or is done."""
        if _end_of(self._data, self._at) is None:  # a batch that is not whole counts for nothing
            if self._end is not None:  # a batch may end beyond its last record
                self.next_fetch_offset = self._end
            self.drain()
            return
        group, data, spans = self._group()
        records = None
        if sum(frame.n for frame in group) >= _FEW:
            records = parse(data, spans, self.topic_partition.partition)
        if records is not None:
            self.leader_epoch = group[-1].leader_epoch
            self._hold(records, group[-1].end - self._at)
            self._at, self._end = group[-1].end, group[-1].last_offset + 1
        elif len(group) > 1:
            self._alone_until = group[-1].end
        else:
            self._read_one()

    def _group(self) -> tuple[list[_Frame], bytes, list[Span]]:
        """Returns plain batches that follow each other, and where their records are in the data."""
        frames: list[_Frame] = []
        unpacked: list[bytes] = []
        spans: list[Span] = []
        at, size = self._at, 0
        while size < _GROUP_BYTES and (frame := self._plain(at)) is not None:
            if frames and (frame.kind != frames[0].kind or self._at < self._alone_until):
                break
            if frame.codec:
                try:
                    unpacked.append(unpack(frame.codec, self._data[frame.records : frame.end]))
                except Exception:  # it is read again when it is the first one, and refused
                    break
                spans.append(frame.span(size, size + len(unpacked[-1])))
                size += len(unpacked[-1])
            else:
                spans.append(frame.span(frame.records, frame.end))
                size += frame.end - frame.start
            frames.append(frame)
            at = frame.end
        return frames, b"".join(unpacked) if unpacked else self._data, spans

    def _plain(self, at: int) -> _Frame | None:
        """Returns the batch that begins there, unless it needs a closer look."""
        end = _end_of(self._data, at)
        if end is None or end - at < _HEADER.size or self._data[at + _MAGIC] != _FORMAT:
            return None
        frame = _Frame.read(self._data, at, end)
        if frame.is_control_batch or frame.n < 0:
            return None
        if self.check_crcs and calc_crc32c(self._view[at + _CHECKED : end]) != frame.crc:
            return None
        if self._is_committed_only and frame.producer_id >= 0:
            self._consume_aborted_transactions_up_to(frame.last_offset)
            if self._is_batch_aborted(frame):
                return None
        return frame

    def _read_one(self) -> None:
        """Reads the next batch with kafka-python's parser, step by step as its fetcher does."""
        at, end = self._at, _end_of(self._data, self._at)
        assert end is not None
        try:
            if end - at < MemoryRecords.MIN_SLICE:
                raise CorruptRecordError(f"a batch of {end - at} bytes")
            batch = MemoryRecords(self._data[at:end]).next_batch()
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"the batch at offset {batch.base_offset} failed its CRC")
            is_skipped = batch.magic == _FORMAT and self._skips(batch)
        except Exception as error:  # whatever a parser may make of foreign bytes
            here = self.next_fetch_offset
            self._bad = self._refusal(here, here, error, damaged=True)
            return
        last_offset = batch.last_offset if batch.magic == _FORMAT else batch.base_offset
        self._at, self._end = end, last_offset + 1 if batch.magic == _FORMAT else None
        if is_skipped:
            self.next_fetch_offset = batch.next_offset
            return
        partition = self.topic_partition.partition
        theirs = _checked(batch, self._data[at:end], self.check_crcs)
        records, wrong = as_columns(theirs, partition)
        self._hold(records, end - at)
        if wrong is not None:
            first = records.offset.item(-1) + 1 if records else batch.base_offset
            first = max(first, self.fetch_offset)
            self._bad = self._refusal(first, max(first, last_offset), wrong, damaged=False)

    def _skips(self, batch: DefaultRecordBatch) -> bool:
        """Whether a batch is a transaction's marker or of an aborted one; follows transactions."""
        self.leader_epoch = batch.leader_epoch
        if self._is_committed_only and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if _is_abort(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _hold(self, records: Records, n_bytes: int) -> None:
        """Keeps what was parsed for `take`, from the wanted offset on."""
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

    def _refusal(self, first: int, last: int, why: Exception, *, damaged: bool) -> BadBatch:
        bad = BadBatch(self.topic_partition.partition, first, last, why, damaged=damaged)
        bad.__cause__ = why
        return bad


def _end_of(data: bytes, at: int) -> int | None:
    """Returns where the batch that begins there ends, ``None`` where it is not whole."""
    if len(data) - at < _OVERHEAD:
        return None
    (length,) = _LENGTH.unpack_from(data, at + MemoryRecords.LENGTH_OFFSET)
    end: int = at + _OVERHEAD + length
    return end if end <= len(data) else None


def _is_abort(batch: DefaultRecordBatch) -> bool:
    """Whether a batch is the marker of an aborted transaction."""
    if not batch.is_control_batch:
        return False
    marker = next(batch, None)
    if marker is None:
        raise RuntimeError("a transaction's marker is missing")
    return bool(marker.abort)


def _checked(batch: Any, content: bytes, check_crcs: bool) -> Iterator[Any]:
    """The records of a batch as kafka-python parses them, unless they are more than can be held."""
    codec = batch.compression_type
    if codec and batch.magic >= _FORMAT:
        # The same batch without compression.
        header = bytearray(content[: _HEADER.size])
        _ATTRIBUTES.pack_into(header, _CHECKED, batch.attributes & ~_CODEC_BITS)
        batch = DefaultRecordBatch(header + unpack(codec, content[_HEADER.size :]))
    elif codec and not (batch.magic == 0 and codec == _LZ4):  # that one had a framing of its own
        is_first = batch.magic == 0
        key_at = batch.KEY_OFFSET_V0 if is_first else batch.KEY_OFFSET_V1
        _, packed = batch._read_key_value(key_at)
        if packed is not None:
            unpack(codec, packed)
    for record in batch:
        if check_crcs and not record.validate_crc():
            raise CorruptRecordError(f"the record at offset {record.offset} failed its CRC")
        yield record


class BatchConsumer(ResumingConsumer):
    """A consumer without deserializers; its `poll` returns parts of ``Records`` by partition."""

    def __init__(self, *topics: str, **configs: Any) -> None:
        super().__init__(*topics, **configs)
        self._fetcher.PartitionRecords = PartitionBatches
