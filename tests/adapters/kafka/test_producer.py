"""Batches that are encoded here are those that kafka-python would have made, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from streamer.adapters.kafka import producer
from streamer.ports.log import Output

NOW_S = 1_767_225_600.25
# The length of a length changes at 64 and at 8,192 bytes.
BYTES = st.binary(max_size=8) | st.builds(bytes, st.sampled_from((63, 64, 8_191, 8_192, 20_000)))
OUTPUTS = st.builds(
    Output,
    st.just("risk"),
    st.just(3),
    st.none() | BYTES,
    st.none() | BYTES,
    st.lists(st.tuples(st.sampled_from(("ce_id", "détail", "")), BYTES), max_size=3),
    st.sampled_from(((), (("ce_source", b"/vigil"), ("content-type", b"")), (("ce_type", b"x"),))),
)


def ours(outputs: Sequence[Output], most_bytes: int) -> list[MemoryRecordsBuilder]:
    return list(producer._batches(outputs, most_bytes, int(NOW_S * 1000)))


def closed(records: MemoryRecordsBuilder) -> bytes:
    records.set_producer_state(7, 1, 5, True)
    records.close()
    return bytes(records.buffer())


@settings(deadline=None)
@given(st.lists(OUTPUTS, min_size=1, max_size=8))
def test_a_batch_equals_that_of_kafka_python(outputs: list[Output]) -> None:
    theirs = MemoryRecordsBuilder(2, 0, 10_000_000)
    for output in outputs:
        theirs.append(int(NOW_S * 1000), output.key, output.value, output.all_headers)
    (batch,) = ours(outputs, 10_000_000)
    assert batch.next_offset() == theirs.next_offset()
    assert closed(batch) == closed(theirs)


@settings(deadline=None)
@given(st.lists(OUTPUTS, min_size=1, max_size=8), st.integers(1, 20_000))
def test_batches_have_every_record_once_in_order(outputs: list[Output], most_bytes: int) -> None:
    read = [
        [
            (record.key, record.value, [(n, bytes(v)) for n, v in record.headers])
            for part in MemoryRecords(closed(batch))
            for record in part
        ]
        for batch in ours(outputs, most_bytes)
    ]
    assert [record for batch in read for record in batch] == [
        (output.key, output.value, output.all_headers) for output in outputs
    ]
    for batch, records in zip(ours(outputs, most_bytes), read, strict=True):
        overhead = len(closed(MemoryRecordsBuilder(2, 0, 0)))
        assert len(closed(batch)) - overhead <= most_bytes or len(records) == 1


def test_a_batch_may_have_more_records_than_the_table_of_short_numbers() -> None:
    outputs = [Output("risk", 0, b"k", b"v", [])] * 20_000
    (batch,) = ours(outputs, 10_000_000)
    theirs = MemoryRecordsBuilder(2, 0, 10_000_000)
    for _ in outputs:
        theirs.append(int(NOW_S * 1000), b"k", b"v", [])
    assert closed(batch) == closed(theirs)
