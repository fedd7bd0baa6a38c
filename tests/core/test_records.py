"""Columns of records say what a list of records would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.core.records import Record, Records

BYTES = st.none() | st.binary(max_size=3)
RECORD = st.builds(
    Record, st.integers(0, 2), st.integers(0, 2**62), st.integers(-1, 2**62),
    BYTES, BYTES, BYTES, BYTES,
)  # fmt: skip
RECORDS = st.lists(RECORD, max_size=6)
MARKED = st.tuples(RECORDS, st.sets(st.integers(0, 5)))


def columns(marked: tuple[list[Record], set[int]]) -> Records:
    """Columns some of which cannot be read."""
    listed, bad = marked
    records = Records.of(listed)
    records.unreadable.update({i: f"why {listed[i].offset}" for i in bad if i < len(listed)})
    return records


def flat(records: Records) -> list[tuple[Record, str | None]]:
    return [(record, records.unreadable.get(i)) for i, record in enumerate(records)]


@given(MARKED)
def test_one_by_one(marked: tuple[list[Record], set[int]]) -> None:
    listed, _ = marked
    records = columns(marked)
    assert list(records) == listed
    assert [records[i] for i in range(len(listed))] == listed
    assert Records.of(records) is records
    assert records.last_ms() == {record.partition: record.timestamp_ms for record in listed}


@given(st.lists(MARKED, max_size=3))
def test_joined(marked: list[tuple[list[Record], set[int]]]) -> None:
    parts = [columns(one) for one in marked]
    assert flat(Records.joined(parts)) == [row for part in parts for row in flat(part)]


@given(MARKED, st.slices(6))
def test_slices(marked: tuple[list[Record], set[int]], chosen: slice) -> None:
    records = columns(marked)
    assert flat(records[chosen]) == flat(records)[chosen]


@given(MARKED, st.sets(st.integers(0, 3)))
def test_of_partitions(marked: tuple[list[Record], set[int]], numbers: set[int]) -> None:
    records = columns(marked)
    expected = [row for row in flat(records) if row[0].partition in numbers]
    assert flat(records.of_partitions(numbers)) == expected
