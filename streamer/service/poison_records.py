"""Poison records: what failed together is halved until one fails alone, and that is set aside.

Scoring changes stays in place, so a try that fails spoils the partition's states. They are taken
again as they were last saved, the records come again, and half as many are tried. The one record
that fails alone goes to the rejected topic as ``internal_error``. All others act as ever.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from streamer.core.messages import rejected
from streamer.core.reasons import Reason, Rejection
from streamer.core.records import Records
from streamer.ports.log import Output
from streamer.service.batch import REJECTED_PARTITION, Result, Topics
from streamer.service.takeover import Partition

_log = structlog.get_logger()


@dataclass(slots=True)
class _Suspect:
    """A stretch of a partition in which some record fails.

    Attributes:
        since: its first offset.
        until: the first offset behind it.
        failed: the first offset behind the last try that failed.
        most: records of the next try.
        fails: the offset that failed alone, and where in the program.
    """

    since: int
    until: int
    failed: int
    most: int
    fails: tuple[int, str] | None = None


class PoisonRecords:
    """The stretches of the log in which a record fails, by partition."""

    def __init__(self) -> None:
        self._suspects: dict[int, _Suspect] = {}

    @property
    def partitions(self) -> Set[int]:
        """The partitions in which a record fails."""
        return self._suspects.keys()

    def cut(self, records: Records) -> Iterator[tuple[Records, dict[int, int]]]:
        """Yields the parts of a poll's records that are tried each by itself.

        All partitions without suspicion come first, together, even if they have no records. Of one
        with a suspicion come those records that are replayed on the way to it, or as many as its
        next try takes, and the offset behind them.
        """
        present = set(np.unique(records.partition).tolist())
        doubtful = sorted(present & self._suspects.keys())
        yield records.of_partitions(present - set(doubtful)), {}
        for number in doubtful:
            of_partition = records.of_partitions([number])
            suspect = self._suspects[number]
            n_before = int((of_partition.offset < suspect.since).sum())
            most = n_before or suspect.most
            stops = {number: of_partition.offset.item(most)} if most < len(of_partition) else {}
            yield of_partition[:most], stops

    def blame(self, records: Records, error: Exception) -> set[int]:
        """Notes that these records failed together; returns their partitions."""
        numbers: list[int] = np.unique(records.partition).tolist()
        for number in numbers:
            of_partition = records.of_partitions([number])
            n, first = len(of_partition), of_partition.offset.item(0)
            last = of_partition.offset.item(-1)
            most = n if len(numbers) > 1 else max(1, n // 2)
            before = self._suspects.get(number)
            until = max(last + 1, before.until if before else 0)
            fails = (last, _place(error)) if n == len(records) == 1 else None
            self._suspects[number] = _Suspect(first, until, last + 1, most, fails)
        _log_failure(numbers, len(records), error)
        return set(numbers)

    def doubt(self, partition: Partition, error: Exception) -> None:
        """Notes that some record since the last save has made states that cannot be encoded."""
        end, saved = partition.position, partition.begins_again_at
        self._suspects[partition.number] = _Suspect(saved, end, end, max(1, (end - saved) // 2))
        _log_failure([partition.number], end - saved, error)

    def pass_by(self, positions: Mapping[int, int]) -> None:
        """Notes that all before these positions is done."""
        for number, position in positions.items():
            suspect = self._suspects.get(number)
            if suspect is None or position <= suspect.since:
                continue
            if position >= suspect.until:
                del self._suspects[number]
            elif suspect.fails and position > suspect.fails[0]:
                suspect.most, suspect.fails = suspect.until - position, None
            elif position < suspect.failed:
                suspect.most = max(1, suspect.most // 2)
            else:  # the failure has passed by itself: the rest need not go one by one
                suspect.most *= 2

    def set_aside(self, records: Records, partition: Partition, topics: Topics) -> Result | None:
        """Returns what comes of a record that failed alone; ``None`` for all other records."""
        suspect = self._suspects.get(partition.number)
        if len(records) != 1 or suspect is None or suspect.fails is None:
            return None
        (record,), (offset, error_site) = records, suspect.fails
        if record.offset != offset:
            return None
        if offset < partition.silent_until:
            return Result(n_silent=1)
        rejection = Rejection(0, Reason.INTERNAL_ERROR, error_site)
        dead_letter = rejected(rejection, record, topics.vitals)
        return Result(
            [Output(topics.rejected, REJECTED_PARTITION, *dead_letter)],
            Counter([Reason.INTERNAL_ERROR]),
            n_live=1,
        )


def _log_failure(partitions: Sequence[int], n_records: int, error: Exception) -> None:
    _log.error(
        "records failed",
        partitions=partitions,
        records=n_records,
        exception=type(error).__name__,
        at=[f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in _frames(error)],
    )


def _place(error: Exception) -> str:
    """Type and place of an exception, without its text, which may quote the event."""
    last = _frames(error)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} {last.name}"


def _frames(error: Exception) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__)
