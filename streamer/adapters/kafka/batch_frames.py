"""Frames of record batches (format v2): bounds and header fields, without the records."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords

from streamer.adapters.kafka.record_batches import Span

FORMAT: Final = 2
HEADER: Final[Struct] = DefaultRecordBatch.HEADER_STRUCT
CHECKED: Final[int] = DefaultRecordBatch.ATTRIBUTES_OFFSET  # the CRC covers the bytes from here on
MAGIC: Final[int] = MemoryRecords.MAGIC_OFFSET
CODEC_BITS: Final[int] = DefaultRecordBatch.CODEC_MASK
_APPEND_TIME: Final[int] = DefaultRecordBatch.TIMESTAMP_TYPE_MASK
_TRANSACTIONAL: Final[int] = DefaultRecordBatch.TRANSACTIONAL_MASK
_CONTROL: Final[int] = DefaultRecordBatch.CONTROL_MASK
_OVERHEAD: Final = MemoryRecords.LOG_OVERHEAD  # offset and length, before what the length counts
_LENGTH: Final = Struct(">i")


class Frame(NamedTuple):
    """Bounds of a batch in the fetched bytes, and the fields of its header that matter."""

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
    def read(cls, data: bytes, start: int, end: int) -> Frame:
        """Reads the header at ``start`` of a batch that ends at ``end``."""
        (
            base_offset, _, leader_epoch, _, crc, attributes, last_offset_delta, first_ms, max_ms,
            producer_id, _, _, n,
        ) = HEADER.unpack_from(data, start)  # fmt: skip
        return cls(
            start, end, base_offset, leader_epoch, crc, attributes, last_offset_delta, first_ms,
            max_ms, producer_id, n,
        )  # fmt: skip

    @property
    def records(self) -> int:
        """Index of the first byte of its records."""
        return self.start + HEADER.size

    @property
    def last_offset(self) -> int:
        """Its last offset, also where compaction has removed the record that had it."""
        return self.base_offset + self.last_offset_delta

    @property
    def codec(self) -> int:
        """Number of the compression codec; 0 without compression."""
        return self.attributes & CODEC_BITS

    @property
    def kind(self) -> tuple[int, bool]:
        """Leader epoch and whether it is compressed: equal for batches that are parsed together."""
        return self.leader_epoch, bool(self.codec)

    @property
    def is_control_batch(self) -> bool:
        """Whether it is a transaction's marker."""
        return bool(self.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction; kafka-python asks a frame as it asks a batch."""
        return bool(self.attributes & _TRANSACTIONAL)

    def span(self, start: int, end: int) -> Span:
        """The span of its records, which lie from ``start`` to ``end`` after decompression."""
        appended = bool(self.attributes & _APPEND_TIME)
        base_ms = self.max_ms if appended else self.first_ms
        return Span(start, end, self.n, self.base_offset, base_ms, appended)


def end_of(data: bytes, at: int) -> int | None:
    """Returns the end of the batch that begins at ``at``, ``None`` if it is cut short."""
    if len(data) - at < _OVERHEAD:
        return None
    (length,) = _LENGTH.unpack_from(data, at + MemoryRecords.LENGTH_OFFSET)
    end: int = at + _OVERHEAD + length
    return end if end <= len(data) else None
