"""Records read as columns equal those of kafka-python's own parser, one by one."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from itertools import cycle, islice
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c, encode_varint

from streamer.adapters.kafka import fetched, odd_batches
from streamer.adapters.kafka.codecs import UnpacksTooLarge
from streamer.adapters.kafka.fetched import DamagedBatch, PartitionBatches
from streamer.core.records import Records

PARTITION = 3
TP = TopicPartition("vitals", PARTITION)
TIME_MS = 1_700_000_000_000
PACK = [bytes, gzip_encode, snappy_encode, lz4_encode, zstd_encode]
TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"
MOST_STEPS = 200
BASE = 100  # the first offset of a fetch
INT64 = st.integers(-(2**63), 2**63 - 1)


def varint(number: int) -> bytes:
    encoded = bytearray()
    encode_varint(number, encoded.append)
    return bytes(encoded)


def sized(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


# Lengths of lengths change at 64 and 8,192 bytes.
BYTES = (
    st.none() | st.binary(max_size=6) | st.builds(bytes, st.sampled_from([63, 64, 8_191, 8_192]))
)
NAMES = st.sampled_from(["traceparent", "replayed-of", "", "détail", "ce_id"]).map(str.encode)
HEADERS = st.lists(
    st.tuples(NAMES | st.just(b"\xff"), BYTES | st.just(bytes(300))), max_size=3
) | st.just([(b"ce_id", b"1")] * 40)
NONE: st.SearchStrategy[list[tuple[bytes, bytes | None]]] = st.just([])
FEW_HEADERS = NONE | NONE | HEADERS
DELTAS_MS = st.integers(-5_000, 5_000) | st.integers(-5_000, 5_000) | INT64
GAPS = st.just(0) | st.integers(0, 3) | st.sampled_from([100, 2**20, -1])


class Sent(NamedTuple):
    """A record as a producer has it; the gap is how many offsets before it are no record's."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[bytes, bytes | None]]
    delta_ms: int = 0
    gap: int = 0


RECORDS = st.lists(st.builds(Sent, BYTES, BYTES, FEW_HEADERS, DELTAS_MS, GAPS), max_size=5)


def encoded(record: Sent, delta: int, attributes: bytes = b"\0") -> bytes:
    body = attributes + varint(record.delta_ms) + varint(delta)
    body += sized(record.key) + sized(record.value) + varint(len(record.headers))
    body += b"".join(sized(name) + sized(value) for name, value in record.headers)
    return varint(len(body)) + body


def framed(
    body: bytes,
    n: int,
    *,
    base: int,
    last_delta: int = 0,
    attributes: int = 0,
    epoch: int = 0,
    first_ms: int = TIME_MS,
    max_ms: int = TIME_MS + 7,
    producer: int = -1,
    magic: int = 2,
) -> bytes:
    """A batch of format v2 with a checksum that is right."""
    head = DefaultRecordBatch.HEADER_STRUCT
    frame = bytearray(head.size) + body
    head.pack_into(
        frame, 0, base, len(frame) - 12, epoch, magic, 0, attributes, last_delta, first_ms, max_ms,
        producer, 0, 0, n,
    )  # fmt: skip
    crc = calc_crc32c(memoryview(frame)[DefaultRecordBatch.ATTRIBUTES_OFFSET :])
    struct.pack_into(">I", frame, DefaultRecordBatch.CRC_OFFSET, crc)
    return bytes(frame)


@st.composite
def batches(draw: st.DrawFn, base: int) -> tuple[bytes, int]:
    """A batch that begins at an offset, and the offset after it."""
    kind = draw(st.sampled_from(["plain"] * 6 + ["library", "control", "legacy", "odd"]))
    epoch, producer = draw(st.integers(0, 1)), draw(st.sampled_from([-1, -1, 7, 8]))
    if kind == "control":
        key = draw(st.sampled_from([ABORT, COMMIT, ABORT, COMMIT, None, b"1"]))
        marker = Sent(key, b"", [])
        n = draw(st.sampled_from([1, 1, 1, 0]))
        attributes = CONTROL | draw(st.sampled_from([0, TRANSACTIONAL]))
        body = encoded(marker, 0)
        frame = framed(body, n, base=base, attributes=attributes, epoch=epoch, producer=producer)
        return frame, base + 1
    records = draw(RECORDS)
    if kind in ("library", "legacy"):
        magic = 2 if kind == "library" else draw(st.integers(0, 1))
        codec = draw(st.integers(0, 4 if magic == 2 else 2 if magic == 0 else 3))
        builder = MemoryRecordsBuilder(magic, codec, 10_000_000)
        for record in records:
            headers = [(n.decode(errors="replace"), v) for n, v in record.headers]
            stamp_ms = TIME_MS + draw(st.integers(-3, 3))
            builder.append(stamp_ms, record.key, record.value, headers if magic == 2 else [])
        builder.close()
        content = bytearray(builder.buffer())
        if magic == 2 or codec:
            struct.pack_into(">q", content, 0, base + (0 if magic == 2 else len(records)))
        return bytes(content), base + max(1, len(records))
    delta, body = -1, b""
    for record in records:
        delta += 1 + record.gap
        body += encoded(record, delta, draw(st.sampled_from([b"\0"] * 8 + [b"\1", b"\x80\1"])))
    n = len(records)
    codec = draw(st.sampled_from([0, 0, 1, 2, 3, 4]))
    attributes = (
        codec
        | draw(st.sampled_from([0, 0, TRANSACTIONAL]))
        | draw(st.sampled_from([0, 0, APPEND_TIME]))
    )
    magic = 2
    packed = PACK[codec](body) if body or codec != 2 else body
    if kind == "odd":  # with a checksum that is right
        n += draw(st.integers(-2, 2))
        attributes |= draw(st.integers(0, 7))
        magic = draw(st.sampled_from([2, 2, 3]))
        if packed:
            at = draw(st.integers(0, len(packed) - 1))
            packed = packed[:at] + draw(st.binary(max_size=3)) + packed[at + 1 :]
    last_delta = max(delta, 0) + draw(st.integers(0, 2))
    frame = framed(
        packed, n, base=base, last_delta=last_delta, attributes=attributes, epoch=epoch,
        first_ms=draw(st.just(TIME_MS) | INT64), max_ms=draw(st.just(TIME_MS) | INT64),
        producer=producer, magic=magic,
    )  # fmt: skip
    return frame, base + last_delta + 1


@st.composite
def fetches(draw: st.DrawFn) -> bytes:
    """What a fetch brings: batches, the last of them cut off; rarely a byte is wrong."""
    content, base = b"", BASE
    for _ in range(draw(st.integers(0, 6))):
        frame, base = draw(batches(base))
        content += frame
    if draw(st.booleans()):
        content += draw(batches(base))[0][: draw(st.integers(1, 80))]
    if content and draw(st.sampled_from([False, False, True])):
        at = draw(st.integers(0, len(content) - 1))
        content = content[:at] + draw(st.binary(min_size=1, max_size=1)) + content[at + 1 :]
    return content


ABORTED = st.lists(
    st.builds(
        SimpleNamespace, producer_id=st.sampled_from([7, 8]), first_offset=st.integers(BASE, 120)
    ),
    max_size=3,
)


def row(record: Any) -> tuple[Any, ...]:
    """A record of kafka-python as far as the service needs it."""
    headers = dict(record.headers)
    stamp_ms = -1 if record.timestamp is None else record.timestamp
    trace, origin = headers.get("traceparent"), headers.get("replayed-of")
    mac = headers.get("action-mac")
    return (
        record.partition,
        record.offset,
        min(max(stamp_ms, -(2**63)), 2**63 - 1),
        record.key,
        record.value,
        trace if len(trace or b"") <= 256 else None,
        origin if len(origin or b"") <= 300 else None,
        mac if len(mac or b"") <= 64 else None,
    )


def behave_alike(content: bytes, sizes: Sequence[int], start: int = BASE, **options: Any) -> None:
    """Drains both parsers in steps; they agree after each, up to the first error."""
    theirs = Fetcher.PartitionRecords(start, TP, MemoryRecords(content), **options)
    ours = PartitionBatches(start, TP, MemoryRecords(content), **options)
    unwanted: list[int] = []  # offsets of what is unreadable before the start, and nobody's concern

    def read(*batch: Any) -> Records:
        records = odd_batches.read(*batch)
        offsets = records.offset[list(records.unreadable)]
        unwanted.extend(offsets[offsets < start].tolist())
        return records

    with patch.object(fetched, "read", read):
        compare(ours, theirs, sizes, unwanted)


def compare(
    ours: PartitionBatches, theirs: Any, sizes: Sequence[int], unwanted: Sequence[int]
) -> None:
    for n in islice(cycle(sizes), MOST_STEPS):
        expected, error = attempt(theirs, n)
        try:
            taken = ours.take(n)
        except DamagedBatch as damaged:
            assert unwanted or type(damaged.__cause__) is type(error)
            assert damaged.partition == PARTITION
            assert not ours  # the fetcher goes on with other partitions
            return
        records = Records.joined(list(taken))
        rows = list(records)
        assert len(taken) == len(rows) <= n
        if records.unreadable:
            first = min(records.unreadable)
            if error is None:  # they say so when asked again
                assert [tuple(row) for row in rows[:first]] == expected
                _, error = attempt(theirs, n)
            reason = records.unreadable[first]
            assert unwanted or error is not None
            # The size that a damaged batch claims is judged before its content is unpacked.
            assert unwanted or type(error).__name__ in reason or UnpacksTooLarge.__name__ in reason
            finish(ours)
            return
        if unwanted:
            finish(ours)
            return
        assert error is None
        assert [tuple(row) for row in rows] == expected
        assert ours.next_fetch_offset == theirs.next_fetch_offset
        assert ours.leader_epoch == theirs.leader_epoch
        assert bool(ours) == bool(theirs)
        if not ours:
            assert ours.records_read == theirs.records_read
            assert bool(ours.bytes_read) == bool(theirs.bytes_read)
            return
    raise AssertionError("no end of it")


def attempt(parser: Any, n: int) -> tuple[list[tuple[Any, ...]], Exception | None]:
    try:
        return [row(record) for record in parser.take(n)], None
    except Exception as error:
        return [], error


def finish(ours: PartitionBatches) -> None:
    """What is unreadable is moved past: an end is reached."""
    with contextlib.suppress(DamagedBatch):
        for _ in range(MOST_STEPS):
            if not ours:
                return
            ours.take(1_000)
        raise AssertionError("no end of it")


@settings(deadline=None, max_examples=250)
@given(
    fetches(),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(BASE, BASE + 8),
    ABORTED,
    st.sampled_from(list(IsolationLevel)),
    st.booleans(),
    st.sampled_from([1, 4, 16]),
    st.sampled_from([1, 200, 10**6]),
)
def test_both_parsers_read_the_same(
    content: bytes,
    sizes: list[int],
    start: int,
    aborted: list[Any],
    level: IsolationLevel,
    check_crcs: bool,
    few: int,
    group_bytes: int,
) -> None:
    with patch.object(fetched, "_FEW", few), patch.object(fetched, "_GROUP_BYTES", group_bytes):
        behave_alike(
            content, sizes, start,
            isolation_level=level, aborted_transactions=aborted, check_crcs=check_crcs,
        )  # fmt: skip


def test_what_a_producer_committed_is_read_before_what_it_aborted() -> None:
    """However little a fetch brings: the aborted batch is looked at before the first is read."""
    content = b""
    for offset in (BASE, BASE + 1):
        body = encoded(Sent(b"key", b"%d" % offset, []), 0)
        content += framed(body, 1, base=offset, attributes=TRANSACTIONAL, producer=7)
    for few in (1, 1_000):
        with patch.object(fetched, "_FEW", few):
            aborted = [SimpleNamespace(producer_id=7, first_offset=BASE + 1)]
            ours = PartitionBatches(
                BASE, TP, MemoryRecords(content),
                isolation_level=IsolationLevel.READ_COMMITTED, aborted_transactions=aborted,
            )  # fmt: skip
            assert [record.value for part in ours.take(9) for record in part] == [b"100"]
