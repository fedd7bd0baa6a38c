from __future__ import annotations

import pytest
from kafka.record.memory_records import MemoryRecordsBuilder

from streamer.adapters.kafka.batch_frames import FORMAT, HEADER, MAGIC, Frame, end_of

TIME_MS = 1_700_000_000_000


def batch(n: int, codec: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(FORMAT, codec, 1_000_000)
    for i in range(n):
        builder.append(TIME_MS + i, b"key", b"value" * 50)
    builder.close()
    return bytes(builder.buffer())


def test_a_header_gives_the_fields_of_a_batch() -> None:
    data = b"before" + batch(3)
    frame = Frame.read(data, 6, len(data))
    assert data[6 + MAGIC] == FORMAT
    assert (frame.n, frame.base_offset, frame.last_offset) == (3, 0, 2)
    assert (frame.first_ms, frame.max_ms) == (TIME_MS, TIME_MS + 2)
    assert frame.records == 6 + HEADER.size
    assert (frame.is_control_batch, frame.is_transactional, frame.codec) == (False, False, 0)
    span = frame.span(frame.records, frame.end)
    assert (span.start, span.end, span.n, span.base_ms) == (frame.records, len(data), 3, TIME_MS)


def test_batches_of_another_compression_are_of_another_kind() -> None:
    plain, packed = batch(30), batch(30, codec=1)
    frames = [Frame.read(data, 0, len(data)) for data in (plain, packed)]
    assert [frame.codec for frame in frames] == [0, 1]
    assert frames[0].kind != frames[1].kind


@pytest.mark.parametrize("missing", [1, 10, 60])
def test_a_batch_that_is_cut_short_has_no_end(missing: int) -> None:
    data = batch(3)
    assert end_of(data + b"more", 0) == len(data)
    assert end_of(data[:-missing], 0) is None
    assert end_of(data, len(data)) is None
