"""`trainer archive erase`: one patient leaves the archive, from every version of every table.

1. A row in ``erased``: writers drop the patient's records from then on, also when they read the log
   from its beginning again.
2. A fence: who has written files before that, and commits them now, conflicts and looks again.
3. Files that hold the patient are rewritten without; repeated until no version in force holds any,
   since somebody may have laid the same files out anew in between.
4. Every other file on disk that holds the patient, of earlier versions or of none, is deleted: none
   of them can be committed any more. So is every half-written one, whoever may be in it: who is
   still writing it conflicts, and one that a killed process has left nobody else would read.

Nothing is deleted by a predicate: Delta would write the name into its log, where it stays.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.archive.archive import Archive
from trainer.archive.arrow import array, where
from trainer.archive.delta_table import ArchiveTable, Conflict, NoTable
from trainer.archive.schemas import ACTIONS, ALERTS, ERASED, EVENTS, OUTCOMES, SCORES, STAYS

_HOLDING: Final = (EVENTS, OUTCOMES, SCORES, ALERTS, ACTIONS, STAYS)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was done: files rewritten, files of earlier versions deleted, rows taken out."""

    name: str
    n_rewritten: int
    n_deleted: int
    n_rows: int


def erase(archive: Archive, patient: str, by: str, reason: str) -> Erasure:
    """Erases a patient.

    Args:
        archive: the archive, under the key it was written with.
        patient: the id as the log has it.
        by: who asked for it.
        reason: why.
    """
    name = archive.names.name(patient)
    erased = archive.table(ERASED.name)
    row = {"patient": name, "until": int(time.time() * 1e6), "by": by, "reason": reason}
    rows = pa.Table.from_pylist([row], schema=ERASED.schema)
    erased.commit([erased.write(f"{uuid.uuid4().hex}.parquet", rows)])
    n_rewritten = n_deleted = n_rows = 0
    for spec in _HOLDING:
        try:
            table = ArchiveTable(archive.root, spec)
        except NoTable:
            continue
        table.fence()
        while holding := [path for path in table.paths() if _holds(table.folder / path, name)]:
            try:
                n_rows += _rewrite(table, holding, name)
                n_rewritten += len(holding)
            except Conflict:  # somebody else laid the same files out anew
                table.reload()
        n_deleted += _delete(table, name)
    return Erasure(name, n_rewritten, n_deleted, n_rows)


def _rewrite(table: ArchiveTable, holding: list[str], name: str) -> int:
    adds, n_rows = [], 0
    for path in holding:
        rows = table.read(path)
        kept = where(rows, array(rows, "patient") != name)
        n_rows += rows.num_rows - kept.num_rows
        if kept.num_rows:
            adds.append(table.write(_renamed(path), kept))
    table.commit(adds, holding)
    return n_rows


def _renamed(path: str) -> str:
    """The same file's new name: who wrote it is the last part, all before says what is in it."""
    head, _, _ = path.removesuffix(".parquet").rpartition("-")
    return f"{head}-{uuid.uuid4().hex}.parquet"


def _delete(table: ArchiveTable, name: str) -> int:
    """Deletes the files of no version in force that hold the patient."""
    live = set(table.paths())
    n_deleted = table.delete_unfinished()  # first: what is finished meanwhile is looked at below
    for file in sorted(table.folder.rglob("*.parquet")):
        path = file.relative_to(table.folder).as_posix()
        if path in live or "_delta_log" in path or not _holds(file, name):
            continue
        file.unlink()
        n_deleted += 1
    return n_deleted


def _holds(file: Path, name: str) -> bool:
    try:
        rows = pq.ParquetFile(file).read(columns=["patient"])
    except FileNotFoundError:
        return False
    return bool(np.any(array(rows, "patient") == name))
