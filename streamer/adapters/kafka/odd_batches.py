"""Batches that need a closer look: old formats, small ones, and those with a fault.

They are read by kafka-python's own parser. Content that it refuses is set aside: the single record
where the batch can be taken apart, else the whole batch. It becomes one unreadable record at its
last offset, with its bytes as the value, so that nothing waits for it and it ends in the rejected
topic.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

import numpy as np
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from streamer.adapters.kafka.batch_frames import CHECKED, CODEC_BITS, FORMAT, HEADER
from streamer.adapters.kafka.codecs import unpack
from streamer.adapters.kafka.record_batches import as_columns, record_begins
from streamer.core.records import Record, Records

_ATTRIBUTES: Final = Struct(">h")
_COUNT: Final = Struct(">i")
_LZ4: Final = 3
_MAX_ERROR_CHARACTERS: Final = 200


def read(batch: Any, content: bytes, partition: int, check_crcs: bool) -> Records:
    """Reads all records of a batch; those that cannot be read are among them as ``unreadable``.

    Args:
        batch: kafka-python's view of it.
        content: its bytes.
        partition: its partition.
        check_crcs: whether records of old formats, which have checksums of their own, are checked.
    """
    if batch.magic < FORMAT:
        records, fault = as_columns(_old(batch, check_crcs), partition)
        first = last = batch.base_offset
    else:
        first, last = batch.base_offset, batch.last_offset
        try:
            plain = _uncompressed(batch, content)
        except Exception as error:  # each library has errors of its own
            records, fault = Records.of(), error
        else:
            records, fault = as_columns(DefaultRecordBatch(plain), partition)
            if fault is not None and (singly := _one_by_one(plain, partition)) is not None:
                return singly
    if fault is None:
        return records
    if records:
        first = records.offset.item(-1) + 1
    stamp_ms = getattr(batch, "max_timestamp", -1)
    why = f"offsets {first} to {max(first, last)}: {_message(fault)}"
    return Records.joined([records, _aside(partition, max(first, last), stamp_ms, content, why)])


def _aside(partition: int, offset: int, stamp_ms: int, content: bytes, why: str) -> Records:
    aside = Records.of([Record(partition, offset, stamp_ms, None, content)])
    aside.unreadable[0] = why
    return aside


def _uncompressed(batch: DefaultRecordBatch, content: bytes) -> bytes:
    """The same batch without compression."""
    codec = batch.compression_type
    if not codec:
        return content
    header = bytearray(content[: HEADER.size])
    _ATTRIBUTES.pack_into(header, CHECKED, batch.attributes & ~CODEC_BITS)
    return bytes(header) + unpack(codec, content[HEADER.size :])


def _old(batch: Any, check_crcs: bool) -> Iterator[Any]:
    """The records of formats 0 and 1, unless they would decompress to more than the bound."""
    codec, is_first = batch.compression_type, batch.magic == 0
    if codec and not (is_first and codec == _LZ4):  # LZ4 in format 0 had a framing of its own
        _, packed = batch._read_key_value(batch.KEY_OFFSET_V0 if is_first else batch.KEY_OFFSET_V1)
        if packed is not None:
            unpack(codec, packed)
    for record in batch:
        if check_crcs and not record.validate_crc():
            raise CorruptRecordError(f"the record at offset {record.offset} failed its CRC")
        yield record


def _one_by_one(plain: bytes, partition: int) -> Records | None:
    """Reads each record as a batch of one; ``None`` if the records' bounds are unknown."""
    whole = DefaultRecordBatch(plain)
    begins = record_begins(plain, HEADER.size, whole.records_count)
    if begins is None:
        return None
    parts: list[Records] = []
    offset = whole.base_offset - 1
    for begin, end in zip(begins, [*begins[1:], len(plain)], strict=True):
        header = bytearray(plain[: HEADER.size])
        _COUNT.pack_into(header, HEADER.size - _COUNT.size, 1)
        record = plain[begin:end]
        part, fault = as_columns(DefaultRecordBatch(bytes(header) + record), partition)
        if fault is not None:
            offset = _offset_in(record, whole.base_offset, offset + 1)
            why = f"offset {offset}: {_message(fault)}"
            part = _aside(partition, offset, whole.max_timestamp, record, why)
        offset = part.offset.item(-1)
        parts.append(part)
    return Records.joined(parts)


def _offset_in(record: bytes, base_offset: int, otherwise: int) -> int:
    """The offset stored in a record; ``otherwise`` if it is unreadable or out of range."""
    try:
        at = 0
        for _ in range(3):  # length, attributes, time
            _, at = decode_varint(record, at)
        delta, _ = decode_varint(record, at)
    except (IndexError, ValueError):
        return otherwise
    offset: int = base_offset + delta
    return offset if otherwise <= offset < np.iinfo(np.int64).max else otherwise


def _message(error: Exception) -> str:
    """The fault, without content of the records."""
    if isinstance(error.__context__, UnicodeDecodeError):  # its own text quotes the name
        return f"{type(error).__name__}: the name of a header is not UTF-8"
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS]
