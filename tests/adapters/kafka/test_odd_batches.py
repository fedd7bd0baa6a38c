from __future__ import annotations

import pytest
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from streamer.adapters.kafka.batch_frames import HEADER
from streamer.adapters.kafka.odd_batches import read
from streamer.adapters.kafka.record_batches import record_begins
from streamer.core.records import Records

TIME_MS = 1_700_000_000_000
VALUES = [b"value %d" % i + bytes(200) for i in range(3)]  # long enough to be compressed


def batch(magic: int, codec: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, 1_000_000)
    for i in range(3):
        builder.append(TIME_MS + i, b"p%d" % i, VALUES[i])
    builder.close()
    return bytes(builder.buffer())


def read_all(content: bytes) -> Records:
    parts = []
    memory = MemoryRecords(content)
    while (one := memory.next_batch()) is not None:
        parts.append(read(one, content, 2, check_crcs=True))
    return Records.joined(parts)


@pytest.mark.parametrize("codec", [0, 1])
@pytest.mark.parametrize("magic", [1, 2])
def test_batches_of_old_and_new_formats_are_read(magic: int, codec: int) -> None:
    records = read_all(batch(magic, codec))
    assert records.values == VALUES
    assert records.keys == [b"p0", b"p1", b"p2"]
    assert not records.unreadable


def test_one_bad_record_is_set_aside_and_the_others_are_read() -> None:
    content = bytearray(batch(2))
    begins = record_begins(bytes(content), HEADER.size, 3)
    assert begins is not None
    begin, end = begins[1], begins[2]
    content[end - 1] = 0x02  # it claims a header that is not there
    records = read_all(bytes(content))
    assert records.offset.tolist() == [0, 1, 2]
    assert list(records.unreadable) == [1]
    assert records.unreadable[1].startswith("offset 1: ")
    assert records.values == [VALUES[0], bytes(content[begin:end]), VALUES[2]]


def test_a_batch_that_cannot_be_decompressed_is_one_unreadable_record() -> None:
    content = batch(2, codec=1)[:-8] + bytes(8)
    records = read_all(content)
    assert records.offset.tolist() == [2]
    assert records.values == [content]
    assert records.unreadable[0].startswith("offsets 0 to 2: ")
