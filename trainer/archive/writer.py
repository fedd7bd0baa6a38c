"""Writes one topic of the log into one table of the archive, exactly once.

The order of effects (W is the next offset that a table's log has of a partition):

1. A partition is assigned: take the newest snapshot of the table, read W in it, read on from W.
2. Collect records until the batch is full or old enough.
3. Write a file for each partition and day; put them and their folders on disk.
4. Commit the files and the next offsets, on the snapshot of 1; put the log on disk; reload.
5. The commit conflicts: another process has moved W, or one has noted the same gap. Forget the
   batch, go to 1.
6. A file or the log cannot be written, as on a full disk: forget the batch, wait, go to 1.

A process that ends before 4 leaves files that no version names; one that ends after it has W where
it read to. The group's committed offsets play no part.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import structlog

from streamer.core.records import Records
from streamer.core.time import DAY_MS
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import EventLog, LogUnavailable
from trainer.archive.arrow import array, times_ms, where
from trainer.archive.delta_table import ArchiveTable, Conflict, Move, NewFile
from trainer.archive.message_rows import MakeRows

MOST_RECORDS: Final = 50_000
MOST_BYTES: Final = 16 * 1024 * 1024
RETRY_S: Final = 10.0
"""Between two attempts on a disk that takes nothing: what is read meanwhile would be read again."""
_DAMAGED_S: Final = 30.0  # until damaged records are read again: only the way here may be bad

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that the log had dropped before they were read: offsets ``begin`` to ``end``."""

    topic_id: str
    partition: int
    begin: int
    end: int


@dataclass(slots=True)
class _Batch:
    """What was read and is not committed yet."""

    records: list[Records] = field(default_factory=list)
    next_offsets: dict[int, int] = field(default_factory=dict)
    since_s: float = 0.0
    n_records: int = 0
    n_bytes: int = 0

    def add(self, records: Records, positions: Mapping[int, int], now_s: float) -> None:
        """Takes what a poll has read."""
        if not self.next_offsets and positions:
            self.since_s = now_s
        self.next_offsets |= positions  # past the markers of transactions, too
        if len(records):
            self.records.append(records)
            self.n_records += len(records)
            self.n_bytes += sum(len(value or b"") for value in records.values)

    def without(self, partitions: Collection[int]) -> _Batch:
        """What is left of it when some partitions are read anew, or by others."""
        kept = {p: next_ for p, next_ in self.next_offsets.items() if p not in partitions}
        left = _Batch(next_offsets=kept, since_s=self.since_s)
        for records in self.records:
            left.add(records.of_partitions(kept), {}, self.since_s)
        return left


class TopicWriter:
    """Archives one topic.

    Args:
        log: the topic, as one member of the group.
        table: the table, which nobody else reloads.
        make_rows: rows of records.
        flush_s: seconds after which a batch is written, full or not.
        clock: seconds that never go back.
        on_gap: called with records that are lost.
        drop: takes rows out of those that are to be written, such as those of erased patients.

    Attributes:
        fault: called between any two effects, with a name; tests kill the process there.
        n_rows, n_conflicts, n_gaps: committed, and met, since the start.
    """

    def __init__(
        self,
        log: EventLog,
        table: ArchiveTable,
        make_rows: MakeRows,
        *,
        flush_s: float,
        clock: Callable[[], float],
        on_gap: Callable[[Gap], None],
        drop: Callable[[pa.Table], pa.Table] = lambda rows: rows,
    ) -> None:
        self._log = log
        self._table = table
        self._make_rows = make_rows
        self._flush_s = flush_s
        self._clock = clock
        self._on_gap = on_gap
        self._drop = drop
        self.fault: Fault = no_fault
        self._topic_id = ""
        self._positions: dict[int, int] = {}  # where the next file of each owned one begins
        self._watermarks: dict[int, int | None] = {}  # W as it was read; ``None``: never written
        self._unplaced: set[int] = set()  # owned, and yet to be read on from W
        self._damaged_until_s: dict[int, float] = {}  # owned, and not read until then
        self._batch = _Batch()
        self.lag = 0
        """Records of owned partitions that were not read, as last looked up."""
        self.n_rows = self.n_conflicts = self.n_gaps = 0
        self._left: dict[int, int] = {}  # of a placed partition, once its end was looked up
        self.has_read_all = False
        """All records of the owned partitions were read, or others own every partition."""
        self._stuck_since_s: float | None = None  # since the disk takes nothing: a batch's first
        self._retry_at_s = 0.0

    def step(self, timeout_s: float) -> int:
        """Polls once and writes what is due; returns the number of records read.

        Raises:
            LogUnavailable: the log does not answer; nothing that was collected is lost.
        """
        self.has_read_all = False
        try:
            return self._step(timeout_s)
        except OSError as error:
            self._wait_for_disk(error)
            return 0

    def _step(self, timeout_s: float) -> int:
        polled = self._log.poll(timeout_s)
        if polled.lost:
            self._release(polled.lost)
        self._unplaced |= set(polled.gained) | (polled.gone & self._positions.keys())
        if polled.topic is not None and polled.topic.topic_id != self._topic_id:
            self._unplaced |= self._positions.keys()  # made anew: its offsets begin anew
        self._rest(polled.damaged)
        self._left |= polled.left
        # A partition that is read anew from W must not keep what was read of it before.
        self._batch.add(polled.records, polled.positions, self._clock())
        if self._unplaced and self._clock() >= self._retry_at_s:
            try:
                self._place_all()
            except Conflict as conflict:
                self._look_again(conflict)
            self._log.resume(sorted(self._positions.keys() - self._damaged_until_s.keys()))
        self.lag = sum(self._left.values())
        self.has_read_all = polled.is_spare or (bool(self._positions) and self._has_read_owned)
        if self._has_read_owned and not self._batch.next_offsets:
            self._stuck_since_s = None  # others have what could not be written, or it is gone
        if self._is_due():
            self.flush()
        return len(polled.records)

    def flush(self) -> None:
        """Writes and commits what was collected; after a conflict it is read again."""
        try:
            self._flush()
        except OSError as error:
            self._wait_for_disk(error)

    def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        # What was polled of one that is yet to be read on from W may begin anywhere.
        placed = self._positions.keys() - self._unplaced
        moved = {p: next_ for p, next_ in batch.next_offsets.items() if p in placed}
        if not moved:
            return
        try:
            self.fault("before_files")
            adds = self._write(Records.joined(batch.records), moved)
            self.fault("before_commit")
            moves = {self._app(p): Move(self._watermarks[p], n) for p, n in moved.items()}
            self._table.commit(adds, moves=moves)
            self.n_rows += sum(new.n_rows for new in adds)
            self.fault("after_commit")
        except Conflict as conflict:
            self._look_again(conflict)
            return
        self._positions |= moved
        self._watermarks |= moved
        if self._stuck_since_s is not None:
            _log.info("archive is written again", table=self._table.spec.name)
            self._stuck_since_s = None

    def _look_again(self, conflict: Conflict) -> None:
        """Another process was faster: the next step reads on from where that one ended."""
        _log.warning("archive conflict", table=self._table.spec.name, detail=str(conflict))
        self._unplaced |= set(self._positions)
        self.n_conflicts += 1

    def _wait_for_disk(self, error: OSError) -> None:
        """Nothing was committed, or nobody knows: what the log says is read once there is room."""
        now_s = self._clock()
        if self._stuck_since_s is None:
            _log.error("archive cannot be written", table=self._table.spec.name, detail=str(error))
            self._stuck_since_s = now_s
        self._unplaced |= set(self._positions)
        self._batch = self._batch.without(self._unplaced)
        self._log.pause(sorted(self._positions))
        self._retry_at_s = now_s + RETRY_S

    @property
    def uncommitted_s(self) -> float:
        """Seconds since the first record was read that is not committed; 0 when there is none."""
        if self._stuck_since_s is not None:
            return self._clock() - self._stuck_since_s
        batch = self._batch
        return self._clock() - batch.since_s if batch.n_records else 0.0

    def close(self) -> None:
        """Leaves the group; what is not committed is read again by the next owner."""
        self._log.close()

    @property
    def _has_read_owned(self) -> bool:
        """One whose end is not known yet may have records: the first look takes a second."""
        is_known = not self._unplaced and self._left.keys() == self._positions.keys()
        return is_known and not self.lag

    def _is_due(self) -> bool:
        batch = self._batch
        if not batch.next_offsets:
            return False
        is_full = batch.n_records >= MOST_RECORDS or batch.n_bytes >= MOST_BYTES
        return is_full or self._clock() - batch.since_s >= self._flush_s

    def _rest(self, damaged: Mapping[int, str]) -> None:
        """Leaves damaged partitions alone for a while: each poll would try them again at once."""
        now_s = self._clock()
        for partition, why in damaged.items():
            _log.error("archive damaged", table=self._table.spec.name, partition=partition, why=why)
            self._log.pause([partition])
            self._damaged_until_s[partition] = now_s + _DAMAGED_S
        for partition in [p for p, until_s in self._damaged_until_s.items() if until_s <= now_s]:
            self._log.resume([partition])
            del self._damaged_until_s[partition]

    def _release(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)
            self._unplaced.discard(partition)
            self._left.pop(partition, None)
            self._damaged_until_s.pop(partition, None)
        self._batch = self._batch.without(partitions)

    def _place_all(self) -> None:
        """Reads on from W, on a snapshot that is newer than all that were used before."""
        partitions = self._unplaced | set(self._positions)
        self._batch = self._batch.without(partitions)
        self._table.reload()
        self._topic_id = self._log.topic().topic_id
        for partition in sorted(partitions):
            first, _ = self._log.bounds(partition)
            watermark = self._table.offset(self._app(partition))
            if watermark is not None and watermark < first:
                self._on_gap(Gap(self._topic_id, partition, watermark, first))
                self.n_gaps += 1
            position = first if watermark is None else max(watermark, first)
            self._log.seek(partition, position)
            self._positions[partition], self._watermarks[partition] = position, watermark
            self._left.pop(partition, None)  # counted from another position
        self._unplaced.clear()

    def _write(self, records: Records, moved: dict[int, int]) -> list[NewFile]:
        records = records.of_partitions(set(moved))
        if not len(records):
            return []
        rows = self._drop(self._make_rows(records, self._topic_id))
        adds: list[NewFile] = []
        for partition in sorted(moved):
            own = where(rows, array(rows, "partition") == partition)
            name = (
                f"{self._topic_id}-{partition}-{self._positions[partition]}-{moved[partition]}"
                f"-{os.getpid()}.parquet"
            )
            for day, part in _by_day(own) if self._table.spec.by_day else [("", own)]:
                if part.num_rows:
                    adds.append(self._table.write(f"day={day}/{name}" if day else name, part))
        return adds

    def _app(self, partition: int) -> str:
        return f"{self._topic_id}/{partition}"


def _by_day(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    """Rows by the day of their record, in UTC."""
    day = times_ms(rows, "logged") // DAY_MS
    return [
        (str(np.datetime64(int(number), "D")), where(rows, day == number))
        for number in np.unique(day)
    ]


class ArchiveRun:
    """Archives several topics in turn, in one process.

    Args:
        writers: one for each table, by a name that logs show.
    """

    def __init__(self, writers: dict[str, TopicWriter]) -> None:
        self._writers = writers
        self._unreachable: dict[str, int] = defaultdict(int)

    def step(self, timeout_s: float) -> int:
        """Polls each topic once; returns the number of records read."""
        n_read = 0
        for reader, writer in self._writers.items():
            try:
                n_read += writer.step(timeout_s / len(self._writers))
                self._unreachable.pop(reader, None)
            except LogUnavailable as error:
                if not self._unreachable[reader]:
                    _log.warning("log unavailable", reader=reader, detail=str(error))
                self._unreachable[reader] += 1
        return n_read

    def close(self) -> None:
        """Writes what is left, and leaves the groups."""
        for writer in self._writers.values():
            writer.flush()
            writer.close()

    @property
    def has_read_all(self) -> bool:
        """Every topic was read to its end in the last step, as far as this process owns it."""
        return all(writer.has_read_all for writer in self._writers.values())
