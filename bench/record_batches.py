"""Cost of parsing a fetch alone: kafka-python's parser with a copy, columns, and a plain copy.

``python -m bench.record_batches`` needs no server. All parsers take turns over the same bytes: the
1 Hz ward as a broker sends it. The least CPU time of each counts.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from bench.loads import one_hertz
from bench.machine import describe
from streamer.adapters.kafka.fetched import PartitionBatches
from streamer.core.dead_letters import REPLAYED_OF, TRACEPARENT
from streamer.core.records import Record, Records
from streamer.feeds.message import Message

_TP: Final = TopicPartition("vitals", 0)
_FETCH_BYTES: Final = 1024 * 1024
_POLL_RECORDS: Final = 4_000
_BEDS: Final = 200
_NO_CODEC: Final = 0
_CODECS: Final = {"none": _NO_CODEC, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_FULL: Final = 10_000  # records a batch: more than a fetch has


def fetch(messages: Sequence[Message], per_batch: int, codec: int) -> tuple[bytes, int]:
    """Returns the bytes that a broker sends of a partition, and the number of records in them."""
    content, base = bytearray(), 0
    for start in range(0, len(messages), per_batch):
        builder = MemoryRecordsBuilder(2, codec, _FETCH_BYTES)
        n = 0
        for message in messages[start : start + per_batch]:
            value = orjson.dumps(message.value)
            if builder.append(message.due_ms, message.key.encode(), value, []) is None:
                break
            n += 1
        builder.close()
        batch = builder.buffer()
        batch[:8] = base.to_bytes(8, "big")
        if len(content) + len(batch) > _FETCH_BYTES:
            break
        content += batch
        base += n
        if n < min(per_batch, len(messages) - start):  # it is full
            break
    return bytes(content), base


def by_record(content: bytes) -> int:
    """Parses with kafka-python, and makes one `Record` of each of its records."""
    records: list[Record] = []
    for part in _parts(Fetcher.PartitionRecords, content):
        records += map(_copy, part)
    return len(records)


def by_column(content: bytes) -> int:
    """Parses into columns, as the service does."""
    return len(Records.joined(list(itertools.chain(*_parts(PartitionBatches, content)))))


def copied(content: bytes) -> int:
    """Copies the bytes: a bound set by the memory."""
    return len(bytearray(content))


def _parts(parser: Callable[..., Any], content: bytes) -> list[Any]:
    batches = parser(0, _TP, MemoryRecords(content), isolation_level=IsolationLevel.READ_COMMITTED)
    parts = []
    while batches:
        parts.append(batches.take(_POLL_RECORDS))
    return parts


def _copy(record: Any) -> Record:
    headers = dict(record.headers) if record.headers else {}
    trace, origin = headers.get(TRACEPARENT), headers.get(REPLAYED_OF)
    return Record(
        record.partition, record.offset, record.timestamp, record.key, record.value, trace, origin
    )


_PARSERS: Final[dict[str, Callable[[bytes], int]]] = {
    "kafka-python and a copy": by_record,
    "columns": by_column,
    "a copy of the bytes": copied,
}


def cost_us(content: bytes, n: int, repeats: int) -> dict[str, float]:
    """Returns the least CPU microseconds an event, by parser; parsers take turns."""
    least = dict.fromkeys(_PARSERS, float("inf"))
    for _ in range(repeats):
        for name, parse in _PARSERS.items():
            began = time.process_time()
            parse(content)
            least[name] = min(least[name], (time.process_time() - began) * 1e6 / n)
    return least


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.record_batches", description=__doc__)
    parser.add_argument("--repeats", type=int, default=30, help="take so many turns (default: 30)")
    repeats = parser.parse_args().repeats
    # The first minute of a ward is admissions.
    ward = one_hertz(_BEDS * 600, _BEDS)
    messages = list(itertools.islice(ward, _BEDS * 60, _BEDS * 60 + _FULL))
    size = sum(len(orjson.dumps(message.value)) for message in messages) / len(messages)
    print(f"Machine: {describe()}; values of {size:.0f} bytes; CPU µs an event.\n")
    print(f"| records a batch | compression | {' | '.join(_PARSERS)} |")
    print(f"|{'---|' * (2 + len(_PARSERS))}")
    cases = [(_FULL, "none"), (500, "none"), (50, "none"), (5, "none"), (1, "none")]
    for per_batch, codec in cases + [(500, name) for name in _CODECS if name != "none"]:
        content, n = fetch(messages, per_batch, _CODECS[codec])
        least = cost_us(content, n, repeats)
        figures = " | ".join(f"{figure:.2f}" for figure in least.values())
        print(f"| {min(per_batch, n):,} | {codec} | {figures} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
