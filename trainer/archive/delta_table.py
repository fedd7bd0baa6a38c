"""One table of the archive: Delta's log of files, and the files, which pyarrow writes and reads.

Delta Lake is used for its log alone. Its writer calls no fsync, and its reader of whole tables has
ended processes (decision 028). Exactly once rests on one argument: a commit is made on the very
snapshot that its offsets were read from. So a commit conflicts with any other that moved them in
between; a commit on a path would read the log anew, conflict with nothing, and double records.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from streamer.core.time import HOUR_MS
from trainer.archive.schemas import TableSpec
from trainer.atomic import sync_folder, unfinished, write_atomically

_LEVEL: Final = 3  # zstd: as small as 9 within a tenth, at a third of the time

_REWRITES: Final = "rewrites"
_FENCE: Final = "vigil.fence"


class Conflict(RuntimeError):
    """Another process has committed what this commit rests on: forget it, and read the log."""


class NotWritten(OSError):
    """The log of a table could not be written, as on a full disk."""


class NoTable(RuntimeError):
    """There is no such table, or no such version of it."""


class Move(NamedTuple):
    """The next offset of a partition, from the one that was read in the snapshot."""

    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that was written and is in no version yet: its path in the table, bytes and rows."""

    path: str
    size: int
    n_rows: int


class ArchiveTable:
    """A snapshot of one table, and what can be done on it.

    Args:
        root: folder of the archive.
        spec: the table.
        version: an earlier version, to be read; the newest by default.

    Raises:
        NoTable: it does not exist.
    """

    def __init__(self, root: Path, spec: TableSpec, version: int | None = None) -> None:
        self.spec = spec
        self.folder = root / spec.name
        try:
            self._snapshot = DeltaTable(self.folder, version=version)
        except (DeltaError, OSError) as error:
            at = "" if version is None else f" of version {version}"
            raise NoTable(f"{self.folder}: there is no table{at}") from error

    @classmethod
    def open_or_create(
        cls, root: Path, spec: TableSpec, properties: Mapping[str, str] | None = None
    ) -> ArchiveTable:
        """Opens a table; makes an empty one where there is none."""
        folder = root / spec.name
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(CommitFailedError):  # another process makes it at this moment
            DeltaTable.create(
                folder,
                spec.schema,
                mode="ignore",
                partition_by=["day"] if spec.by_day else None,
                configuration=dict(properties or {}),
                raise_if_key_not_exists=False,
            )
        table = cls(root, spec)
        table._sync_log()
        return table

    @property
    def version(self) -> int:
        """The version of this snapshot."""
        return self._snapshot.version()

    @property
    def properties(self) -> Mapping[str, str | None]:
        """What was noted when the table was made."""
        return self._snapshot.metadata().configuration

    def offset(self, app: str) -> int | None:
        """The next offset of a partition, by its name in the log; ``None``: never written."""
        return self._snapshot.transaction_version(app)

    def reload(self) -> None:
        """Takes the newest version for the snapshot."""
        self._snapshot = DeltaTable(self.folder)

    def paths(self) -> list[str]:
        """The files of this snapshot, by their paths in the table, in order."""
        actions: Any = self._snapshot.get_add_actions(flatten=True)
        table: Any = pa.table(actions)
        return sorted(table.column("path").to_pylist())

    def read(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads one file; columns that it lacks are null."""
        wanted = self.spec.file_schema
        if columns is not None:
            wanted = pa.schema([wanted.field(name) for name in columns])
        with pq.ParquetFile(self.folder / path) as file:
            present = [name for name in wanted.names if name in file.schema_arrow.names]
            read = file.read(columns=present)
        filled = [
            read.column(field.name).cast(field.type)
            if field.name in present
            else pa.nulls(read.num_rows, field.type)
            for field in wanted
        ]
        return pa.table(filled, schema=wanted)

    def read_all(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads all rows of this snapshot."""
        parts = [self.read(path, columns) for path in self.paths()]
        if parts:
            return pa.concat_tables(parts)
        wanted = self.spec.file_schema
        names = wanted.names if columns is None else columns
        return pa.schema([wanted.field(name) for name in names]).empty_table()

    def write(self, path: str, rows: pa.Table) -> NewFile:
        """Writes a file and puts it on disk; it is in the table once it is committed.

        Raises:
            Conflict: it was deleted meanwhile, as where a patient is erased.
        """
        file = self.folder / path
        if not file.parent.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder)
        try:
            with write_atomically(file) as content:
                pq.write_table(rows, content, compression="zstd", compression_level=_LEVEL)
            return NewFile(path, file.stat().st_size, rows.num_rows)
        except FileNotFoundError as error:
            raise Conflict(f"{file}: deleted while it was written") from error

    def commit(
        self,
        adds: Sequence[NewFile],
        removes: Sequence[str] = (),
        moves: Mapping[str, Move] | None = None,
        *,
        changes_rows: bool = True,
    ) -> None:
        """Commits files and offsets on this snapshot, puts the log on disk, and reloads.

        Args:
            adds: files that ``write`` has written.
            removes: paths of files of this snapshot.
            moves: next offsets of partitions, by their names in the log.
            changes_rows: false where the same rows are only laid out anew.

        Raises:
            Conflict: another process has moved one of the offsets, or removed one of the files.
            NotWritten: the log could not be written. It may hold the commit all the same: read it.
        """
        now_ms = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(
                new.path,
                new.size,
                {"day": _day_of(new.path)} if self.spec.by_day else {},
                now_ms,
                changes_rows,
                f'{{"numRecords":{new.n_rows}}}',
            )
            for new in adds
        ]
        actions += [
            RemoveAction(
                path, changes_rows, now_ms,
                partition_values={"day": _day_of(path)} if self.spec.by_day else {},
            )
            for path in removes
        ]  # fmt: skip
        moves = dict(moves or {})
        if removes:  # two that lay out the same files anew conflict, whatever files they chose
            done = self.offset(_REWRITES)
            moves[_REWRITES] = Move(done, (done or 0) + 1)
        # A snapshot that is newer than what the caller has read would hide another's commit.
        stale = [app for app, move in moves.items() if self.offset(app) != move.before]
        if stale:
            raise Conflict(f"{', '.join(stale)}: another process has moved on from there")
        transactions = [Transaction(app, move.after) for app, move in moves.items()]
        try:
            self._snapshot.create_write_transaction(
                actions,
                "append",
                self._snapshot.schema(),
                partition_by=["day"] if self.spec.by_day else None,
                commit_properties=CommitProperties(app_transactions=transactions),
            )
        except CommitFailedError as error:
            raise Conflict(str(error)) from error
        except DeltaError as error:
            raise NotWritten(str(error)) from error
        self._sync_log()
        self.reload()

    def fence(self) -> None:
        """Makes each commit conflict that rests on a snapshot from before: its process looks again.

        A change of the table's properties conflicts with whatever else is committed.
        """
        while True:
            self.reload()
            try:
                self._snapshot.alter.set_table_properties(
                    {_FENCE: uuid.uuid4().hex}, raise_if_not_exists=False
                )
            except CommitFailedError:  # others go on committing: on the snapshot after theirs
                continue
            break
        self._sync_log()
        self.reload()

    def sizes(self) -> list[tuple[int, int]]:
        """Rows and bytes of each file of this snapshot."""
        actions: Any = self._snapshot.get_add_actions(flatten=True)
        table: Any = pa.table(actions)
        names = ("num_records", "size_bytes")
        rows, sizes = (table.column(name).to_pylist() for name in names)
        return list(zip(rows, sizes, strict=True))

    def hours_of(self, n_versions: int) -> float:
        """Hours since the earliest of so many newest versions was committed."""
        committed_ms = [int(entry["timestamp"]) for entry in self._snapshot.history(n_versions)]
        return (time.time() * 1000 - min(committed_ms)) / HOUR_MS

    def hours_of_oldest_file(self) -> float:
        """Hours since the earliest file of this snapshot was written; infinite without any."""
        actions: Any = self._snapshot.get_add_actions(flatten=True)
        table: Any = pa.table(actions)
        written_ms = table.column("modification_time").to_pylist()
        return (time.time() * 1000 - min(written_ms, default=-math.inf)) / HOUR_MS

    def sweep(self, hours: int, kept: Sequence[int]) -> int:
        """Deletes files that this version does not name, nor one of ``kept``; returns how many.

        Args:
            hours: younger files stay, since they may be of a commit that is under way, and files
                that were removed later, so that versions of that time can be read.
            kept: versions that stay readable.
        """
        n_unfinished = self.delete_unfinished(hours)  # a vacuum passes over .names
        gone = self._snapshot.vacuum(
            retention_hours=hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            keep_versions=list(kept) or None,
        )
        return n_unfinished + len(gone)

    def delete_unfinished(self, hours: int = 0) -> int:
        """Deletes files that are half written; whoever is still at it conflicts.

        Args:
            hours: younger files stay.

        Returns:
            how many it were.
        """
        until_s = time.time() - hours * 3600
        n_deleted = 0
        for file in unfinished(self.folder):
            with contextlib.suppress(FileNotFoundError):  # it has been finished since
                if not hours or file.stat().st_mtime < until_s:
                    file.unlink()
                    n_deleted += 1
        return n_deleted

    def _sync_log(self) -> None:
        """Puts the newest entries of the log on disk: Delta's writer leaves them in memory."""
        log = self.folder / "_delta_log"
        entries = sorted(log.glob("*.json"))[-2:]
        for entry in entries:
            descriptor = os.open(entry, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(log)


def _day_of(path: str) -> str:
    return path.partition("day=")[2].partition("/")[0]
