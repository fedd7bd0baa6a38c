"""An erased patient is nowhere: not in earlier versions, and not when the log is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.archived_log import NEVER_FLUSHED_S, START_MS, archive, brokers, drain
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.feeds.replay import replay
from tests.support.synthetic_cohort import learnable_file
from trainer.archive.archive import Archive
from trainer.archive.arrow import listed
from trainer.archive.delta_table import ArchiveTable, Conflict, NewFile
from trainer.archive.erase import erase
from trainer.archive.fold import fold
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.schemas import ACTIONS, EVENTS, OUTCOMES, STAYS
from trainer.atomic import unfinished, write_atomically
from trainer.data.cohort import load_cohort

KEYED = PatientNames(b"a key of this test")


@pytest.fixture
def topics(tmp_path: Path) -> dict[str, MemoryBroker]:
    read = load_cohort([learnable_file(tmp_path, 12)])
    return brokers(replay(read, START_MS))


def rows_of(root: Path, name: str) -> int:
    return sum(
        listed(ArchiveTable(root, spec).read_all(["patient"]), "patient").count(name)
        for spec in (EVENTS, OUTCOMES, STAYS)
    )


def patients_in(file: Path) -> list[str]:
    return listed(pq.ParquetFile(file).read(columns=["patient"]), "patient")


def test_nothing_of_the_patient_is_left(tmp_path: Path, topics: dict[str, MemoryBroker]) -> None:
    root = tmp_path / "archive"
    kept = archive(root, topics, KEYED)
    fold(root)
    fold(root)  # so that earlier versions hold the patient, too
    patient = next(
        record.key.decode() for record in topics["outcomes"].partitions[0] if record.key is not None
    )
    name = KEYED.name(patient)
    n_events = ArchiveTable(root, EVENTS).read_all(["offset"]).num_rows
    held = rows_of(root, name)
    assert held > 10
    whole = next(f for f in (root / "events").rglob("*.parquet") if name in patients_in(f))
    half = whole.with_name("half.parquet")
    # A process that is killed here leaves its temporary file; one that goes on must not finish it.
    with pytest.raises(FileNotFoundError), write_atomically(half) as new:
        new.write(whole.read_bytes())
        new.flush()
        done = erase(kept, patient, by="dpo", reason="asked for it")
        assert not list(unfinished(root))
    assert not half.exists()
    assert (done.n_rows, rows_of(root, name)) == (held, 0)
    assert done.n_deleted >= 4
    content = {
        f: f.read_bytes() for f in root.rglob("*") if f.is_file() and "erased" not in f.parts
    }
    assert not [f for f, text in content.items() if name.encode() in text]
    n_left = ArchiveTable(root, EVENTS).read_all(["offset"]).num_rows
    assert 0 < n_left < n_events
    fold(root)
    assert rows_of(root, name) == 0


def test_a_log_that_is_read_again_does_not_bring_the_patient_back(
    tmp_path: Path, topics: dict[str, MemoryBroker]
) -> None:
    root = tmp_path / "archive"
    kept = archive(root, topics, KEYED)
    patient = next(r.key.decode() for r in topics["vitals"].partitions[0] if r.key is not None)
    erase(kept, patient, by="dpo", reason="asked for it")
    for broker in topics.values():
        broker.topic_id += "-anew"  # an id that no offset is known of: all is read again
    archive(root, topics, replace(KEYED))
    names = listed(ArchiveTable(root, EVENTS).read_all(["patient"]), "patient")
    assert KEYED.name(patient) not in names
    assert len(names) > 100


def test_peoples_answers_about_the_patient_are_erased_too(tmp_path: Path) -> None:
    alerts = MemoryBroker(1)
    for patient in (b"p1", b"p2"):
        value = {
            "patient_id": patient.decode(), "time": START_MS, "phase": "acknowledge",
            "alert_id": None, "by": {"user": "a.nurse"},
        }  # fmt: skip
        alerts.append(0, patient, orjson.dumps(value), START_MS)
    kept = archive(tmp_path, {"actions": alerts}, KEYED)
    erase(kept, "p1", by="dpo", reason="asked for it")
    rows = ArchiveTable(tmp_path, ACTIONS).read_all(["patient", "user"])
    assert listed(rows, "patient") == [KEYED.name("p2")]
    assert listed(rows, "user") == [KEYED.person("a.nurse")]


@pytest.mark.parametrize("moment", ["before_files", "within_a_file", "before_commit"])
def test_who_writes_meanwhile_neither_keeps_the_patient_nor_loses_another(
    tmp_path: Path,
    topics: dict[str, MemoryBroker],
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "archive"
    kept = Archive(root, KEYED)
    patient = next(r.key.decode() for r in topics["vitals"].partitions[0] if r.key is not None)
    n_erasures = 0

    def erase_once(point: str) -> None:
        nonlocal n_erasures
        if point == moment and not n_erasures:
            n_erasures += 1
            erase(Archive(root, KEYED), patient, by="dpo", reason="asked for it")

    write_table = pq.write_table

    def write_and_erase(*rows_and_file: Any, **options: Any) -> None:
        write_table(*rows_and_file, **options)
        erase_once("within_a_file")

    monkeypatch.setattr(pq, "write_table", write_and_erase)
    log = MemoryLog(topics["vitals"])
    first = kept.writer("vitals", log, NEVER_FLUSHED_S, fault=erase_once)
    drain(first)
    assert first.n_conflicts == 1
    drain(kept.writer("vitals", MemoryLog(topics["vitals"]), NEVER_FLUSHED_S))
    names = listed(ArchiveTable(root, EVENTS).read_all(["patient"]), "patient")
    assert n_erasures == 1
    assert KEYED.name(patient) not in names
    of_patient = sum(
        r.key == patient.encode() for records in topics["vitals"].partitions for r in records
    )
    assert len(names) == sum(map(len, topics["vitals"].partitions)) - of_patient


def test_a_fold_meanwhile_brings_no_stay_back(
    tmp_path: Path, topics: dict[str, MemoryBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "archive"
    kept = archive(root, topics, KEYED)
    patient = next(r.key.decode() for r in topics["vitals"].partitions[0] if r.key is not None)
    write = ArchiveTable.write

    def write_and_erase(table: ArchiveTable, path: str, rows: pa.Table) -> NewFile:
        new = write(table, path, rows)
        if table.spec is STAYS:
            monkeypatch.setattr(ArchiveTable, "write", write)
            erase(kept, patient, by="dpo", reason="asked for it")
        return new

    monkeypatch.setattr(ArchiveTable, "write", write_and_erase)
    with pytest.raises(Conflict):
        fold(root)
    fold(root)
    assert rows_of(root, KEYED.name(patient)) == 0
