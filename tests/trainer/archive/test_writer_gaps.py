"""Gaps of a log that is archived: what was dropped before it was read, noted for each reader."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from bench.archived_log import NEVER_FLUSHED_S, PLAIN, START_MS, drain
from streamer.adapters.memory.log import MemoryLog
from tests.trainer.archive.test_writer import archived, expected, topic, writer
from trainer.archive.archive import Archive
from trainer.archive.delta_table import ArchiveTable, Move, NewFile
from trainer.archive.schemas import ACTIONS, ALERTS, GAPS


def test_records_that_the_log_has_dropped_are_noted_once(tmp_path: Path) -> None:
    broker = topic(1)
    drain(writer(tmp_path, broker))
    end = len(broker.partitions[0])
    for i in range(4):
        broker.append(0, b"p", b"{}", START_MS + i)
    broker.first[0] = end + 3
    for _ in range(2):
        drain(writer(tmp_path, broker))
    [gap] = ArchiveTable(tmp_path, GAPS).read_all(["partition", "begin", "end"]).to_pylist()
    assert gap == {"partition": 0, "begin": end, "end": end + 3}
    assert archived(tmp_path)[-1] == (0, end + 3)


def test_each_reader_of_a_topic_notes_what_it_has_missed(tmp_path: Path) -> None:
    """The alerts are read twice, into two tables."""
    broker = topic(1)
    broker.first[0] = 5
    empty = [ArchiveTable.open_or_create(tmp_path, spec) for spec in (ALERTS, ACTIONS)]
    for table in empty:
        table.commit([], moves={"the-topic/0": Move(None, 2)})
    for reader in ("alerts", "actions", "alerts"):
        log = MemoryLog(broker)
        drain(Archive(tmp_path, PLAIN).writer(reader, log, NEVER_FLUSHED_S))
    rows = ArchiveTable(tmp_path, GAPS).read_all(["topic", "begin", "end"]).to_pylist()
    assert sorted(map(tuple, map(dict.values, rows))) == [("actions", 2, 5), ("alerts", 2, 5)]


def test_a_gap_that_another_notes_meanwhile_ends_no_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = topic()
    drain(writer(tmp_path, broker, most=10), flush_every=1)
    ends = [len(records) for records in broker.partitions]
    for partition in range(2):
        for i in range(4):
            broker.append(partition, b"p", b"{}", START_MS + i)
        broker.first[partition] = ends[partition] + 2
    write, first = ArchiveTable.write, writer(tmp_path, broker)

    def write_and_lose(table: ArchiveTable, path: str, rows: pa.Table) -> NewFile:
        monkeypatch.setattr(ArchiveTable, "write", write)
        broker.expel(first._log)  # type: ignore[arg-type]
        drain(writer(tmp_path, broker))  # notes the same gap
        return write(table, path, rows)

    monkeypatch.setattr(ArchiveTable, "write", write_and_lose)
    first.step(0)
    assert first.n_conflicts == 1
    drain(first)
    gaps = ArchiveTable(tmp_path, GAPS).read_all(["partition", "begin", "end"]).to_pylist()
    assert sorted(tuple(gap.values()) for gap in gaps) == [
        (partition, end, end + 2) for partition, end in enumerate(ends)
    ]
    assert len(set(archived(tmp_path))) == len(archived(tmp_path)) == len(expected(broker)) - 4
