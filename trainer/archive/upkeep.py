"""Upkeep of the archive: compaction of closed days, retention, files that no version names."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa

from streamer.core.time import DAY_MS
from trainer.archive.arrow import array, in_order, times_ms
from trainer.archive.delta_table import ArchiveTable, Conflict, Move, NewFile, NoTable
from trainer.archive.fold import by_partition, newest_logged_ms
from trainer.archive.schemas import (
    ACTIONS,
    ALERTS,
    EVENTS,
    GAPS,
    OUTCOMES,
    SCORES,
    STAYS,
    TABLES,
    TableSpec,
)

_VERSIONS_KEPT: Final = 10  # of stays: what a run of the last days was made of can be read again
_GRACE_HOURS: Final = 24  # a file that is younger may be of a commit that is under way


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What was done: days merged, files dropped by retention, files deleted from disk."""

    n_merged: int
    n_dropped: int
    n_deleted: int


def tidy(root: Path, keep_days: int) -> UpkeepReport:
    """Does all of the upkeep; a conflict leaves a part for the next time.

    Args:
        root: folder of the archive.
        keep_days: events, outcomes, scores, alerts and actions of earlier days are dropped.
    """
    try:
        events = ArchiveTable(root, EVENTS)
    except NoTable:
        return UpkeepReport(0, 0, 0)
    now_ms = newest_logged_ms(events)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    n_dropped = _drop_days(root, events, today - timedelta(days=keep_days))
    n_dropped += sum(
        _drop_files(root, spec, now_ms - keep_days * DAY_MS)
        for spec in (OUTCOMES, SCORES, ALERTS, ACTIONS)
    )
    n_merged = _merge(events, today)
    n_deleted = sum(_sweep(root, spec) for spec in TABLES)
    return UpkeepReport(n_merged, n_dropped, n_deleted)


def _day_of(path: str) -> date:
    return date.fromisoformat(path.partition("day=")[2][:10])


def _merge(events: ArchiveTable, today: date) -> int:
    """Merges the files of each closed day and partition into one, sorted for other readers."""
    by_day: dict[date, list[str]] = defaultdict(list)
    for path in events.paths():
        by_day[_day_of(path)].append(path)
    n_merged = 0
    for day, paths in sorted(by_day.items()):
        parts = {key: few for key, few in by_partition(paths).items() if len(few) > 1}
        if day >= today or not parts:
            continue
        adds: list[NewFile] = []
        try:
            for (topic_id, partition), files in parts.items():
                rows = in_order(
                    pa.concat_tables([events.read(path) for path in files]), "patient", "offset"
                )
                offsets = array(rows, "offset")
                begin, end = offsets.min(), offsets.max() + 1
                name = f"{topic_id}-{partition}-{begin}-{end}-{uuid.uuid4().hex}"
                adds.append(events.write(f"day={day}/{name}.parquet", rows))
            events.commit(
                adds, [path for few in parts.values() for path in few], changes_rows=False
            )
        except (Conflict, FileNotFoundError):  # patients are being erased: the next time
            return n_merged
        n_merged += 1
    return n_merged


def _drop_days(root: Path, events: ArchiveTable, first: date) -> int:
    """Drops whole days of events, and notes that stays which began in them are cut short."""
    dropped = [path for path in events.paths() if _day_of(path) < first]
    if not dropped:
        return 0
    end_ms = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000)
    gaps = ArchiveTable.open_or_create(root, GAPS, None)
    rows = [
        {
            "topic": "retention", "topic_id": topic_id, "partition": partition, "begin": 0,
            "end": 0, "logged_before": end_ms * 1000,
        }
        for topic_id, partition in by_partition(dropped)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=GAPS.schema)
    app = "retention"
    done = gaps.offset(app)
    try:
        gaps.commit(
            [gaps.write(f"{app}-{uuid.uuid4().hex}.parquet", table)],
            moves={app: Move(done, (done or 0) + 1)},
        )
        events.commit([], dropped)
    except Conflict:
        events.reload()
        return 0
    return len(dropped)


def _drop_files(root: Path, spec: TableSpec, before_ms: int) -> int:
    """Drops the files whose records are all older; a file is some minutes of the log."""
    try:
        table = ArchiveTable(root, spec)
    except NoTable:
        return 0
    dropped = [
        path
        for path in table.paths()
        if times_ms(table.read(path, ["logged"]), "logged").max(initial=0) < before_ms
    ]
    if dropped:
        try:
            table.commit([], dropped)
        except Conflict:
            return 0
    return len(dropped)


def _sweep(root: Path, spec: TableSpec) -> int:
    """Deletes files that no version names that is still to be read."""
    try:
        table = ArchiveTable(root, spec)
    except NoTable:
        return 0
    kept: list[int] = []
    if spec is STAYS:
        kept = list(range(max(0, table.version - _VERSIONS_KEPT + 1), table.version + 1))
    return table.sweep(_GRACE_HOURS, kept)
