"""One table of the archive: stale commits conflict, and versions stay readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from trainer.archive.arrow import listed
from trainer.archive.delta_table import ArchiveTable, Conflict, Move, NoTable
from trainer.archive.schemas import ERASED, EVENTS


def rows(*patients: str) -> pa.Table:
    return pa.Table.from_pylist([{"patient": patient} for patient in patients], ERASED.schema)


def patients(table: ArchiveTable) -> list[str]:
    return sorted(listed(table.read_all(["patient"]), "patient"))


def table_with(root: Path, *names: str) -> ArchiveTable:
    table = ArchiveTable.open_or_create(root, ERASED)
    for name in names:
        table.commit([table.write(f"{name}.parquet", rows(name))])
    return table


def test_an_offset_moves_only_from_where_it_was_read(tmp_path: Path) -> None:
    table = table_with(tmp_path)
    table.commit([], moves={"app": Move(None, 5)})
    with pytest.raises(Conflict, match="app"):
        table.commit([table.write("a.parquet", rows("a"))], moves={"app": Move(None, 7)})
    assert (table.offset("app"), patients(table)) == (5, [])
    table.commit([], moves={"app": Move(5, 7)})
    assert table.offset("app") == 7


def test_a_commit_on_an_old_snapshot_conflicts(tmp_path: Path) -> None:
    first, second = table_with(tmp_path), table_with(tmp_path)
    first.commit([], moves={"app": Move(None, 5)})
    with pytest.raises(Conflict):
        second.commit([second.write("a.parquet", rows("a"))], moves={"app": Move(None, 5)})
    assert patients(second) == []
    second.reload()
    assert second.offset("app") == 5
    first.commit([first.write("b.parquet", rows("b"))])
    second.commit([second.write("c.parquet", rows("c"))])  # of other partitions: no conflict
    assert patients(second) == ["b", "c"]


def test_two_that_lay_files_out_anew_conflict(tmp_path: Path) -> None:
    first = table_with(tmp_path, "a", "b")
    second = ArchiveTable(tmp_path, ERASED)
    new = first.write("ab.parquet", rows("a", "b"))
    first.commit([new], first.paths(), changes_rows=False)
    with pytest.raises(Conflict):
        second.commit([second.write("ab2.parquet", rows("a", "b"))], second.paths())
    assert patients(ArchiveTable(tmp_path, ERASED)) == ["a", "b"]


def test_an_earlier_version_is_read_as_it_was(tmp_path: Path) -> None:
    table = table_with(tmp_path, "a", "b")
    version = table.version
    table.commit([], table.paths())
    assert patients(table) == []
    assert patients(ArchiveTable(tmp_path, ERASED, version)) == ["a", "b"]
    with pytest.raises(NoTable):
        ArchiveTable(tmp_path, ERASED, 99)
    with pytest.raises(NoTable):
        ArchiveTable(tmp_path, EVENTS)


def test_a_column_that_a_file_lacks_is_null(tmp_path: Path) -> None:
    table = table_with(tmp_path)
    table.commit([table.write("old.parquet", rows("a").select(["patient"]))])
    assert table.read_all(["patient", "by"]).to_pylist() == [{"patient": "a", "by": None}]


def test_two_that_make_a_table_at_once_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = DeltaTable.create

    def slower(*where: Any, **options: Any) -> None:
        create(*where, **options)
        raise CommitFailedError("Protocol changed since last commit")

    monkeypatch.setattr(DeltaTable, "create", slower)
    assert patients(table_with(tmp_path, "a")) == ["a"]
