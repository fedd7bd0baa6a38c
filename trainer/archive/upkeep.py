"""Upkeep of the archive: compaction of closed days, retention, files that no version names."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from streamer.core.time import DAY_MS
from trainer.archive.arrow import US, array, in_order, times_ms
from trainer.archive.delta_table import ArchiveTable, Conflict, Move, NewFile, NoTable
from trainer.archive.fold import by_partition, gaps_of, newest_logged_ms
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
_EPOCH: Final = date(1970, 1, 1)
_GRACE_HOURS: Final = 24  # a file that is younger may be of a commit that is under way
_RETENTION: Final = "retention"  # where a topic's name stands among the gaps, and their writer's

_FROM_TOPICS: Final = (OUTCOMES, SCORES, ALERTS, ACTIONS)  # beside the events


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
    today = newest_logged_ms(events) // DAY_MS
    n_dropped = _drop_days(root, events, today - keep_days)
    merged = _merge(events, _newest_days(events), today)
    for spec in _FROM_TOPICS:
        try:
            table = ArchiveTable(root, spec)
        except NoTable:
            continue
        days = _newest_days(table)
        n_dropped += _drop_files(table, [path for path in days if days[path] < today - keep_days])
        left = set(table.paths())
        merged |= _merge(table, {p: day for p, day in days.items() if p in left}, today)
    n_deleted = sum(_sweep(root, spec) for spec in TABLES)
    return UpkeepReport(len(merged), n_dropped, n_deleted)


def _newest_days(table: ArchiveTable) -> dict[str, int]:
    """The day of each file's newest record, in days since 1970; the log's own time, in UTC."""
    if table.spec.by_day:
        return {path: _day_of(path) for path in table.paths()}
    return {
        path: int(times_ms(table.read(path, ["logged"]), "logged").max(initial=0)) // DAY_MS
        for path in table.paths()
    }


def _day_of(path: str) -> int:
    return date.fromisoformat(path.partition("day=")[2][:10]).toordinal() - _EPOCH.toordinal()


def _merge(table: ArchiveTable, days: dict[str, int], today: int) -> set[int]:
    """Merges the files of each closed day and partition into one, sorted for other readers.

    A writer commits a file each half minute: without this, a table is some thousand files a day.

    Args:
        table: one whose rows are records.
        days: of its files, by path.
        today: the day that is not closed yet.

    Returns:
        the days that were merged.
    """
    by_day: dict[int, list[str]] = defaultdict(list)
    for path, day in days.items():
        by_day[day].append(path)
    merged = set[int]()
    for day, paths in sorted(by_day.items()):
        parts = {key: few for key, few in by_partition(paths).items() if len(few) > 1}
        if day >= today or not parts:
            continue
        folder = f"day={np.datetime64(day, 'D')}/" if table.spec.by_day else ""
        adds: list[NewFile] = []
        try:
            for (topic_id, partition), files in parts.items():
                rows = in_order(
                    pa.concat_tables([table.read(path) for path in files]), "patient", "offset"
                )
                offsets = array(rows, "offset")
                begin, end = offsets.min(), offsets.max() + 1
                name = f"{topic_id}-{partition}-{begin}-{end}-{uuid.uuid4().hex}"
                adds.append(table.write(f"{folder}{name}.parquet", rows))
            table.commit(adds, [path for few in parts.values() for path in few], changes_rows=False)
        except (Conflict, FileNotFoundError):  # patients are being erased: the next time
            return merged
        merged.add(day)
    return merged


def _drop_days(root: Path, events: ArchiveTable, first: int) -> int:
    """Drops whole days of events, and notes that stays which began in them are cut short."""
    dropped = [path for path in events.paths() if _day_of(path) < first]
    if not dropped:
        return 0
    gaps = ArchiveTable.open_or_create(root, GAPS, None)
    done, before = gaps.offset(_RETENTION), [p for p in gaps.paths() if p.startswith(_RETENTION)]
    # One row of a partition, in one file, however many days were dropped: the last one counts.
    kept_from_ms = {key: own[0] for key, own in gaps_of(gaps).items() if 0 in own}
    for key in by_partition(dropped):
        kept_from_ms[key] = max(first * DAY_MS, kept_from_ms.get(key, 0))
    rows = [
        {
            "topic": _RETENTION, "topic_id": topic_id, "partition": partition, "begin": 0,
            "end": 0, "logged_before": ms * US,
        }
        for (topic_id, partition), ms in kept_from_ms.items()
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=GAPS.schema)
    try:
        new = gaps.write(f"{_RETENTION}-{uuid.uuid4().hex}.parquet", table)
        gaps.commit([new], before, moves={_RETENTION: Move(done, (done or 0) + 1)})
        events.commit([], dropped)
    except Conflict:
        events.reload()
        return 0
    return len(dropped)


def _drop_files(table: ArchiveTable, dropped: list[str]) -> int:
    if dropped:
        try:
            table.commit([], dropped)
        except Conflict:
            table.reload()
            return 0
    return len(dropped)


def _sweep(root: Path, spec: TableSpec) -> int:
    """Deletes files that no version names that is still to be read."""
    try:
        table = ArchiveTable(root, spec)
    except NoTable:
        return 0
    kept: list[int] = []
    hours = _GRACE_HOURS
    if spec is STAYS:
        kept = list(range(max(0, table.version - _VERSIONS_KEPT + 1), table.version + 1))
    if spec is OUTCOMES:  # read beside those stays: as long as these
        hours += _hours_of_stays(root)
    return table.sweep(hours, kept)


def _hours_of_stays(root: Path) -> int:
    """Age of the earliest version of the stays that can be read; 0 where nothing was folded."""
    try:
        return math.ceil(ArchiveTable(root, STAYS).hours_of(_VERSIONS_KEPT))
    except NoTable:
        return 0
