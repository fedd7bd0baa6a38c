"""Folds archived events into stays, by the streamer's own fold: no second implementation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from streamer.core.columns import to_columns
from streamer.core.event_fold import EventFold
from streamer.core.expiry import KEPT_DAYS
from streamer.core.hour_rows import NO_NETWORK, HourRows, StayRows
from streamer.core.stays import NEVER, StayTable
from streamer.core.time import DAY_MS
from trainer.archive import event_rows
from trainer.archive.arrow import array, as_times, in_order, is_null, where
from trainer.archive.schemas import STATIC, STAYS, VALUES

CHUNK: Final = 100_000  # events folded at once: the hours of many stays side by side


@dataclass(frozen=True, slots=True)
class FoldedPartition:
    """The finished stays of one input partition, and how many are still going on."""

    partition: int
    stays: list[StayRows]
    n_open: int


def fold_partition(
    rows: pa.Table, partition: int, now_ms: int, chunk: int = CHUNK
) -> FoldedPartition:
    """Folds the events of one partition.

    Args:
        rows: rows of ``events`` that were not refused, in the order of their offsets.
        partition: of the topic.
        now_ms: the log's own time: the greatest timestamp of any record.
        chunk: events folded at once; it changes nothing in the result.

    Returns:
        Stays that are over: left behind by the next one, silent for 15 days, or discharged by now.
    """
    table = StayTable(NO_NETWORK, capacity=256)
    done: list[StayRows] = []
    follower = HourRows(table, done.append)
    folding = EventFold(table, None, follower)
    for first in range(0, rows.num_rows, chunk):
        columns = to_columns(event_rows.to_parsed(rows.slice(first, chunk)))
        folding.fold(columns, [partition] * len(columns.patients))
    started = np.array([slot for slot in table.slot_of.values() if table["started"][slot]], np.intp)
    due_ms = table["discharge_due_ms"][started]
    is_due = (due_ms != NEVER) & (due_ms <= now_ms)
    due = started[is_due]
    table["discharge_ms"][due] = table["discharge_due_ms"][due]
    is_over = table["discharge_ms"][started] != NEVER
    is_over |= now_ms // DAY_MS - table["last_seen_day"][started] > KEPT_DAYS
    follower.finish(started[is_over])
    return FoldedPartition(partition, done, int((~is_over).sum()))


def as_table(
    folded: Sequence[StayRows],
    splits: dict[str, int],
    partition: int,
    incomplete: set[int],
    *,
    events_version: int,
    code: str,
) -> pa.Table:
    """Rows of ``stays``.

    Args:
        folded: the stays.
        splits: position in the split by patient.
        partition: that they are of.
        incomplete: indices of the stays that miss events.
        events_version: of the table they were folded from.
        code: what folded them.
    """
    lengths = [len(stay.rows) for stay in folded]
    offsets: Any = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    values = np.concatenate(
        [stay.rows for stay in folded] or [np.empty((0, len(VALUES)), np.float32)]
    )
    static = np.array([stay.static for stay in folded], np.float32).reshape(-1, len(STATIC))
    columns: dict[str, Any] = {
        "patient": pa.array([stay.patient for stay in folded], pa.string()),
        "split": pa.array([splits[stay.patient] for stay in folded], pa.int16()),
        "partition": pa.array([partition] * len(folded), pa.int32()),
        "origin": _times(stay.origin_ms for stay in folded),
        "admitted": pa.array([stay.is_admitted for stay in folded], pa.bool_()),
        "first_bin": pa.array([stay.first_bin for stay in folded], pa.int32()),
        "hours": pa.array(lengths, pa.int32()),
        "newest": _times(stay.newest_ms for stay in folded),
        "discharge": _times(stay.discharge_ms for stay in folded),
        "ward": pa.array([stay.ward or None for stay in folded], pa.string()),
        "incomplete": pa.array([i in incomplete for i in range(len(folded))], pa.bool_()),
        "events_version": pa.array([events_version] * len(folded), pa.int64()),
        "code": pa.array([code] * len(folded), pa.string()),
    }
    for i, name in enumerate(STATIC):
        columns[name] = pa.array(np.ascontiguousarray(static[:, i]), from_pandas=True)
    for i, name in enumerate(VALUES):
        column = np.ascontiguousarray(values[:, i], np.float32)
        cells: Any = pa.array(column, from_pandas=True)
        columns[name] = pa.ListArray.from_arrays(offsets, cells)
    return pa.table([columns[name] for name in STAYS.schema.names], schema=STAYS.schema)


def good_rows(parts: Iterable[pa.Table]) -> pa.Table:
    """Rows that were not refused, in the order of their offsets."""
    rows = pa.concat_tables(parts)
    is_good = is_null(rows, "refused")
    if not is_good.all():
        rows = where(rows, is_good)
    # Files of the writer are in order; only merged ones are sorted by patient.
    offsets = array(rows, "offset")
    return rows if (np.diff(offsets) > 0).all() else in_order(rows, "offset")


def _times(times: Iterable[int]) -> Any:
    ms = np.array(list(times), np.int64)
    return as_times(np.where(ms == NEVER, 0, ms), ms == NEVER)
