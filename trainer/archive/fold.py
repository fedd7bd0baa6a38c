"""`trainer archive fold`: makes the table of stays from the table of events, in one commit.

All events of a partition are folded anew, so that whatever came late is where it belongs. A stay
that later events have changed replaces itself; readers of earlier versions keep what they read.
"""

from __future__ import annotations

import math
import os
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from streamer.core.hour_ring import LATE_BINS
from streamer.core.hour_rows import StayRows
from streamer.core.time import HOUR_MS
from trainer.archive.arrow import array, is_logged_time, listed, times_ms
from trainer.archive.delta_table import ArchiveTable, NewFile, NoTable
from trainer.archive.schemas import EVENTS, GAPS, STAYS
from trainer.archive.stay_rows import as_table, fold_partition, good_rows


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What a fold did."""

    n_events: int
    n_stays: int
    n_open: int
    n_incomplete: int
    events_version: int
    stays_version: int


@dataclass(frozen=True, slots=True)
class _Lost:
    """Times of the log between which records of a partition were lost."""

    begin_ms: int
    end_ms: int

    def touches(self, stay: StayRows) -> bool:
        """Whether events of a stay may be among the lost ones: results are up to 48 h late."""
        last_ms = max(stay.newest_ms, stay.discharge_ms)
        return stay.origin_ms <= self.end_ms and last_ms >= self.begin_ms - LATE_BINS * HOUR_MS


def fold(root: Path) -> FoldReport:
    """Folds an archive.

    Raises:
        NoTable: there is no table of events.
        Conflict: another fold was faster.
    """
    events = ArchiveTable(root, EVENTS)
    stays = ArchiveTable.open_or_create(root, STAYS, _key_of(events))
    events.reload()  # patients are erased from events first: stays of older ones would conflict
    before = stays.paths()
    now_ms = newest_logged_ms(events)
    try:
        gaps = gaps_of(ArchiveTable(root, GAPS))
    except NoTable:
        gaps = {}
    n_events = n_stays = n_open = n_incomplete = 0
    adds: list[NewFile] = []
    for (topic_id, partition), paths in sorted(by_partition(events.paths()).items()):
        rows = good_rows([events.read(path) for path in paths])
        folded = fold_partition(rows, partition, now_ms)
        lost = _lost(rows, gaps.get((topic_id, partition), {}))
        incomplete = {
            i for i, stay in enumerate(folded.stays) if any(span.touches(stay) for span in lost)
        }
        n_events, n_open = n_events + rows.num_rows, n_open + folded.n_open
        n_stays, n_incomplete = n_stays + len(folded.stays), n_incomplete + len(incomplete)
        if folded.stays:
            table = as_table(
                folded.stays,
                dict(zip(listed(rows, "patient"), listed(rows, "split"), strict=True)),
                partition,
                incomplete,
                events_version=events.version,
                code=version("vigil-icu"),
            )
            # An own name each time: a reader of an earlier version must find its files unchanged.
            adds.append(
                stays.write(
                    f"{topic_id}-{partition}-{uuid.uuid4().hex}-{os.getpid()}.parquet", table
                )
            )
    stays.commit(adds, before)
    return FoldReport(n_events, n_stays, n_open, n_incomplete, events.version, stays.version)


def hours_since_fold(root: Path) -> float:
    """Hours since an archive was folded; infinite where it never was, or no stay was over."""
    try:
        return ArchiveTable(root, STAYS).hours_of_oldest_file()
    except NoTable:
        return math.inf


def newest_logged_ms(events: ArchiveTable) -> int:
    """The log's own time: the greatest timestamp of an archived record; 0 without any."""
    newest_ms = 0
    for path in events.paths():
        logged_ms = times_ms(events.read(path, ["logged"]), "logged")
        newest_ms = max(newest_ms, int(logged_ms[is_logged_time(logged_ms)].max(initial=0)))
    return newest_ms


def _key_of(table: ArchiveTable) -> dict[str, str]:
    return {name: value for name, value in table.properties.items() if value is not None}


def by_partition(paths: Sequence[str]) -> dict[tuple[str, int], list[str]]:
    """Files by topic id and partition, which their names begin with."""
    parts: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path in paths:
        topic_id, partition, *_ = path.rpartition("/")[2].rsplit("-", 4)
        parts[topic_id, int(partition)].append(path)
    return parts


def gaps_of(table: ArchiveTable) -> dict[tuple[str, int], dict[int, int]]:
    """The gaps of each topic id and partition: the time of the first record after, by first offset.

    Of those that begin alike the longest holds the others: retention notes one each day, from 0 on.
    """
    gaps: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    rows = table.read_all(["topic_id", "partition", "begin", "logged_before"])
    columns = (listed(rows, name) for name in ("topic_id", "partition", "begin"))
    ends_ms = times_ms(rows, "logged_before").tolist()
    for topic_id, partition, begin, end_ms in zip(*columns, ends_ms, strict=True):
        own = gaps[topic_id, partition]
        own[begin] = max(end_ms, own.get(begin, 0))
    return gaps


def _lost(rows: pa.Table, gaps: Mapping[int, int]) -> list[_Lost]:
    """What the gaps of one partition are in times of the log, by its rows."""
    offsets, logged_ms = array(rows, "offset"), times_ms(rows, "logged")
    return [
        _Lost(int(logged_ms[offsets < begin].max(initial=0)), end_ms)
        for begin, end_ms in gaps.items()
    ]
