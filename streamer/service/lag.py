"""How far behind the log each owned partition is, in records and in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streamer.core.columns import Record
from streamer.service import metrics

# The log says every second where it ends; after this long something does not answer.
QUIET_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a partition is: what is left to read, what was taken last, when that was known."""

    left: int | None
    newest: float | None
    known: float

    def seconds(self, now: float) -> float:
        quiet_s = now - self.known
        if self.left and self.newest is not None:
            return max(0.0, now - self.newest)
        return quiet_s if quiet_s > QUIET_S else 0.0


_UNKNOWN: Final = _Place(None, None, 0.0)


class Lag:
    """Follows the partitions of one worker and shows their lag whenever it is asked for.

    Where everything was read the lag is 0 seconds, however old the last record is. Where the log or
    the store has not answered for a while nobody knows, and it is the time since they did.

    Args:
        clock: epoch seconds; tests wind it.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._places: dict[int, _Place] = {}
        metrics.LAG_RECORDS.set_function(self.records)
        metrics.LAG_SECONDS.set_function(self.seconds)

    def observe(
        self, owned: Iterable[int], left: Mapping[int, int], taken: Iterable[Record] = ()
    ) -> None:
        """Notes what a round of the loop has brought.

        Args:
            owned: the partitions; others are forgotten.
            left: records that are yet to be read, of those partitions of which that is known.
            taken: the records of this round, in the order of the log.
        """
        newest = {record.partition: record.timestamp_ms / 1000 for record in taken}
        now = self._clock()
        places = {}
        for partition in owned:
            old = self._places.get(partition, _UNKNOWN)
            last = newest.get(partition, old.newest)
            if partition in left:
                places[partition] = _Place(left[partition], last, now)
            else:
                places[partition] = _Place(old.left, last, old.known)
        self._places = places

    def records(self) -> dict[str, float]:
        """Returns the lag in records, by partition."""
        return {str(p): place.left for p, place in self._places.items() if place.left is not None}

    def seconds(self) -> dict[str, float]:
        """Returns the lag in seconds, by partition."""
        now = self._clock()
        return {
            str(p): place.seconds(now)
            for p, place in self._places.items()
            if place.left is not None
        }
