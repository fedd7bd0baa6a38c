"""Compaction changes no row, retention drops whole days, and what is torn is moved aside."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from bench.archived_log import N_PARTITIONS, NEVER_FLUSHED_S, PLAIN, START_MS, brokers, drain
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.core.time import DAY_MS, HOUR_MS
from streamer.datasets.cohort import DataError
from streamer.feeds.replay import replay
from tests.support.synthetic_cohort import learnable_file
from trainer.archive import upkeep
from trainer.archive.archive import Archive
from trainer.archive.arrow import listed, times_ms
from trainer.archive.cohort import read_archive
from trainer.archive.delta_table import ArchiveTable
from trainer.archive.export import export
from trainer.archive.fold import fold, newest_logged_ms
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.repair import repair
from trainer.archive.schemas import EVENTS, GAPS, OUTCOMES, SCORES
from trainer.archive.source import ArchiveSource
from trainer.archive.status import status
from trainer.archive.upkeep import tidy
from trainer.atomic import unfinished
from trainer.data.cohort import fingerprint, load_cohort
from trainer.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    read = load_cohort([learnable_file(tmp_path, 12)])
    root = tmp_path / "archive"
    for topic, broker in brokers(replay(read, START_MS)).items():
        log = MemoryLog(broker, max_poll_records=40)
        drain(Archive(root, PLAIN).writer(topic, log, NEVER_FLUSHED_S), flush_every=1)
    return root


def offsets(root: Path) -> list[tuple[int, int]]:
    rows = ArchiveTable(root, EVENTS).read_all(["partition", "offset"])
    return sorted(zip(listed(rows, "partition"), listed(rows, "offset"), strict=True))


def test_compaction_changes_neither_rows_nor_stays(root: Path) -> None:
    fold(root)
    before, stays = offsets(root), fingerprint(load_cohort([Path(f"archive:{root}")]))
    n_files = len(ArchiveTable(root, EVENTS).paths())
    report = tidy(root, keep_days=730)
    assert report.n_merged >= 2
    assert len(ArchiveTable(root, EVENTS).paths()) < n_files
    assert offsets(root) == before
    fold(root)
    assert fingerprint(load_cohort([Path(f"archive:{root}")])) == stays
    assert tidy(root, keep_days=730).n_merged == 0


def test_risks_and_outcomes_are_merged_by_day_and_a_run_can_read_what_it_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_GRACE_HOURS", 0)
    of_partition = {"outcomes": MemoryBroker(2), "risk": MemoryBroker(2)}
    for hour in range(60):
        logged_ms = START_MS + hour * HOUR_MS
        patient = f"p{hour}"
        common = {"patient_id": patient, "time": logged_ms}
        scored = {"bin": hour, "risk": 0.1, "model": "3fa9c1d20b77"}
        for topic, value in (
            ("risk", common | scored),
            ("outcomes", common | {"type": "no_sepsis"}),
        ):
            of_partition[topic].append(hour % 2, patient.encode(), orjson.dumps(value), logged_ms)
    for topic, broker in of_partition.items():
        log = MemoryLog(broker, max_poll_records=4)
        drain(Archive(root, PLAIN).writer(topic, log, NEVER_FLUSHED_S), flush_every=1)
    fold(root)
    stays = read_archive(ArchiveSource(root))
    tables = [ArchiveTable(root, spec) for spec in (OUTCOMES, SCORES)]
    before = [table.read_all().sort_by("patient") for table in tables]
    assert all(len(table.paths()) > 15 for table in tables)
    tidy(root, keep_days=730)
    for table, rows in zip(tables, before, strict=True):
        table.reload()
        assert len(table.paths()) <= 12  # three days, two partitions or five
        assert table.read_all().sort_by("patient").equals(rows)
    assert tidy(root, keep_days=730).n_merged == 0
    again = read_archive(ArchiveSource(root, stays.stays_version, stays.outcomes_version))
    assert fingerprint(again.cohort) == fingerprint(stays.cohort)


def test_days_beyond_retention_are_dropped_and_what_they_cut_never_trains(root: Path) -> None:
    n_before = len(offsets(root))
    assert tidy(root, keep_days=4).n_dropped > 0
    assert 0 < len(offsets(root)) < n_before
    report = fold(root)
    assert report.n_incomplete == report.n_stays > 0


def test_what_retention_has_dropped_is_noted_in_one_row_of_a_partition(root: Path) -> None:
    newest_day = newest_logged_ms(ArchiveTable(root, EVENTS)) // DAY_MS
    assert tidy(root, keep_days=4).n_dropped > 0
    gaps = ArchiveTable(root, GAPS)
    rows = gaps.read_all()
    n_incomplete = fold(root).n_incomplete
    assert n_incomplete > 0
    earlier = [row | {"logged_before": 0} for row in rows.to_pylist()]  # an older version's
    table = pa.Table.from_pylist(earlier, schema=GAPS.schema)
    gaps.commit([gaps.write("retention-z.parquet", table)])
    assert fold(root).n_incomplete == n_incomplete, "the last one counts, in whatever order"
    assert tidy(root, keep_days=2).n_dropped > 0
    gaps.reload()
    rows = gaps.read_all()
    assert len(gaps.paths()) == 1
    assert sorted(listed(rows, "partition")) == list(range(N_PARTITIONS))
    assert max(times_ms(rows, "logged_before") // DAY_MS) == newest_day - 2


def test_what_retention_drops_leaves_the_disk_in_every_table(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_GRACE_HOURS", 0)
    for spec in (EVENTS, OUTCOMES):
        table = ArchiveTable(root, spec)
        assert len(list(table.folder.rglob("*.parquet"))) == len(table.paths()) > 0
    assert tidy(root, keep_days=1).n_deleted > 0
    for spec in (EVENTS, OUTCOMES):
        table = ArchiveTable(root, spec)
        on_disk = {p.relative_to(table.folder).as_posix() for p in table.folder.rglob("*.parquet")}
        assert on_disk == set(table.paths()), spec.name
    assert not ArchiveTable(root, OUTCOMES).paths(), "they are older: this test shows nothing"


def test_what_killed_writers_left_half_written_leaves_the_disk_a_day_later(root: Path) -> None:
    folders = [next((root / "events").glob("day=*")), root / "outcomes"]
    for folder in folders:
        for name in (".left.parquet.1.new", ".at-work.parquet.2.new"):
            (folder / name).write_bytes(b"rows of patients")
        yesterday_s = time.time() - 25 * 3600
        os.utime(folder / ".left.parquet.1.new", (yesterday_s, yesterday_s))
    assert tidy(root, keep_days=730).n_deleted == 2
    assert set(unfinished(root)) == {folder / ".at-work.parquet.2.new" for folder in folders}


def test_a_record_whose_timestamp_is_no_time_does_not_set_the_clock(root: Path) -> None:
    before_ms = newest_logged_ms(ArchiveTable(root, EVENTS))
    broker = MemoryBroker(1)
    event = {"patient_id": "p", "time": START_MS, "values": {}}
    broker.append(0, b"p", orjson.dumps(event), START_MS * 1000)  # a sender of microseconds
    drain(Archive(root, PLAIN).writer("vitals", MemoryLog(broker), NEVER_FLUSHED_S))
    events = ArchiveTable(root, EVENTS)
    assert "bad_timestamp" in listed(events.read_all(["refused"]), "refused")
    assert newest_logged_ms(events) == before_ms
    assert tidy(root, keep_days=730).n_merged > 0
    fold(root)


def test_exported_stays_are_read_as_files(root: Path, tmp_path: Path) -> None:
    fold(root)
    kept = load_cohort([Path(f"archive:{root}")])
    export(kept, tmp_path / "out.parquet")
    assert fingerprint(load_cohort([tmp_path / "out.parquet"])) == fingerprint(kept)


def test_a_torn_last_entry_is_moved_aside(root: Path) -> None:
    assert repair(root) == []
    log = root / "events" / "_delta_log"
    last = max(log.glob("*.json"))
    whole = last.read_text()
    last.write_text(whole[: len(whole) // 2])
    [aside] = repair(root)
    assert aside.exists()
    assert ArchiveTable(root, EVENTS).version == int(last.stem) - 1
    first = min(log.glob("*.json"))
    first.write_text("{")
    with pytest.raises(ValueError, match="not the last"):
        repair(root)


def test_another_key_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="two names"):
        Archive(root, PatientNames(b"another"))


def test_status_says_what_is_there_and_what_is_wrong(root: Path, tmp_path: Path) -> None:
    seen = status(root)
    assert seen.tables["events"]["rows"] == len(offsets(root))
    assert any("fold" in fault for fault in seen.faults)
    fold(root)
    seen = status(root)
    assert (seen.faults, seen.stays["labelled"]) == ([], 12)
    assert status(tmp_path / "nothing").faults
    with pytest.raises(DataError):
        load_cohort([Path(f"archive:{tmp_path}/nothing")])
