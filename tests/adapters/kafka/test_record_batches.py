from __future__ import annotations

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecordsBuilder

from streamer.adapters.kafka.batch_frames import FORMAT, Frame
from streamer.adapters.kafka.record_batches import as_columns, parse, record_begins

TIME_MS = 1_700_000_000_000
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def batch(*records: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]) -> bytes:
    builder = MemoryRecordsBuilder(FORMAT, 0, 1_000_000)
    for i, (key, value, headers) in enumerate(records):
        builder.append(TIME_MS + 10 * i, key, value, headers)
    builder.close()
    return bytes(builder.buffer())


DATA = batch(
    (b"p1", b"one", [("other", b"x"), ("traceparent", TRACE)]),
    (None, b"two" * 100, [("traceparent", b"x" * 257)]),
    (b"p3", None, []),
)
FRAME = Frame.read(DATA, 0, len(DATA))
SPAN = FRAME.span(FRAME.records, FRAME.end)


def test_records_become_columns_with_the_headers_that_are_passed_on() -> None:
    records = parse(DATA, [SPAN], partition=4)
    assert records is not None
    assert records.partition.tolist() == [4, 4, 4]
    assert records.offset.tolist() == [0, 1, 2]
    assert records.timestamp_ms.tolist() == [TIME_MS, TIME_MS + 10, TIME_MS + 20]
    assert records.keys == [b"p1", None, b"p3"]
    assert records.values == [b"one", b"two" * 100, None]
    assert records.traceparents == [TRACE, None, None], "a longer one is dropped"


def test_columns_equal_those_of_kafka_pythons_parser() -> None:
    records, fault = as_columns(DefaultRecordBatch(DATA), 4)
    assert fault is None
    parsed = parse(DATA, [SPAN], 4)
    assert parsed is not None
    assert list(parsed) == list(records)


def test_other_bytes_than_a_usual_batch_are_left_to_the_other_parser() -> None:
    damaged = bytearray(DATA)
    damaged[FRAME.records] ^= 0x7F  # the first record's length
    assert parse(bytes(damaged), [SPAN], 4) is None
    assert parse(DATA, [SPAN._replace(n=4)], 4) is None


def test_records_begin_one_after_the_other_and_fill_the_data() -> None:
    begins = record_begins(DATA, FRAME.records, 3)
    assert begins is not None
    assert begins[0] == FRAME.records
    assert begins == sorted(set(begins))
    assert record_begins(DATA, FRAME.records, 2) is None
    assert record_begins(DATA + b"\0", FRAME.records, 3) is None


def test_the_records_before_a_bad_one_are_kept() -> None:
    damaged = bytearray(DATA)
    begins = record_begins(DATA, FRAME.records, 3)
    assert begins is not None
    damaged[begins[2]] = 0x7F  # a negative length
    records, fault = as_columns(DefaultRecordBatch(bytes(damaged)), 4)
    assert fault is not None
    assert records.values[:1] == [b"one"]
