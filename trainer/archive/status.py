"""`trainer archive status`: what the archive holds, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
import pyarrow as pa

from streamer.core.time import HOUR_MS, rfc3339
from streamer.datasets.cohort import DataError
from trainer.archive.arrow import array, is_logged_time, listed, times_ms, where
from trainer.archive.cohort import read_archive
from trainer.archive.delta_table import ArchiveTable, NoTable
from trainer.archive.fold import newest_logged_ms
from trainer.archive.schemas import EVENTS, GAPS, TABLES
from trainer.archive.source import ArchiveSource

MOST_BACK_MS: Final = HOUR_MS
"""Brokers differ by less, and a leader may change; senders put their own time on a record."""


class TableStatus(TypedDict):
    """Version, files, rows and bytes of a table."""

    version: int
    files: int
    rows: int
    bytes: int


@dataclass(slots=True)
class Status:
    """The state of an archive; ``faults`` name what somebody should look at."""

    tables: dict[str, TableStatus] = field(default_factory=dict)
    newest_record: str | None = None
    stays: dict[str, int] = field(default_factory=dict)
    labelled_share: dict[str, float] = field(default_factory=dict)
    gaps: int = 0
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """The status as one JSON object."""
        return asdict(self)


def status(root: Path) -> Status:
    """Looks at an archive; reads its log and few columns."""
    seen = Status()
    for spec in TABLES:
        try:
            table = ArchiveTable(root, spec)
        except NoTable:
            continue
        files = table.sizes()
        seen.tables[spec.name] = {
            "version": table.version,
            "files": len(files),
            "rows": sum(rows for rows, _ in files),
            "bytes": sum(size for _, size in files),
        }
    if EVENTS.name not in seen.tables:
        seen.faults.append(f"{root}: no events; `trainer archive run` writes them")
        return seen
    events = ArchiveTable(root, EVENTS)
    newest_ms = newest_logged_ms(events)
    seen.newest_record = rfc3339(newest_ms) if newest_ms else None
    if newest_ms:
        _look_at_clock(events, seen)
    _look_at_gaps(root, seen)
    try:
        stays = read_archive(ArchiveSource(root))
        seen.stays = dict(stays.counts)
        seen.labelled_share = stays.labelled_share
    except DataError as error:
        seen.faults.append(str(error))
    return seen


def _look_at_clock(events: ArchiveTable, seen: Status) -> None:
    """Whether the log's clock ever went back: stays mature by it."""
    names = ["topic_id", "partition", "offset", "logged"]
    rows = pa.concat_tables([events.read(path, names) for path in events.paths()])
    rows = where(rows, is_logged_time(times_ms(rows, "logged")))
    if not rows.num_rows:
        return
    logged = times_ms(rows, "logged")
    partition = array(rows, "partition")
    # Offsets of a topic that was made anew begin again.
    topic = np.unique(np.array(listed(rows, "topic_id"), np.str_), return_inverse=True)[1]
    log = topic * (int(partition.max()) + 1) + partition
    order = np.lexsort((array(rows, "offset"), log))
    for own in np.split(order, np.flatnonzero(np.diff(log[order])) + 1):
        back = np.maximum.accumulate(logged[own]) - logged[own]
        if back.max() > MOST_BACK_MS:
            first = own[np.flatnonzero(back > MOST_BACK_MS)[0]]
            seen.faults.append(
                f"{events.spec.name}, partition {partition[first]}: the clock of the log went back "
                f"by {back.max() / HOUR_MS:.1f} h at {rfc3339(int(logged[first]))}; stays mature "
                "by the latest time that it showed"
            )


def _look_at_gaps(root: Path, seen: Status) -> None:
    try:
        rows = ArchiveTable(root, GAPS).read_all()
    except NoTable:
        return
    columns = (listed(rows, name) for name in ("topic", "partition", "begin", "end"))
    for topic, partition, begin, end in zip(*columns, strict=True):
        if topic == "retention":
            continue
        seen.gaps += 1
        seen.faults.append(
            f"{topic}, partition {partition}: offsets {begin} to {end - 1} were gone before they "
            "were read; stays of that time never train"
        )
