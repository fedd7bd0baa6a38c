"""Lag of each owned partition behind the log, in records and in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streamer.core.records import Record, Records
from streamer.service import metrics

# The log reports its end every second; after this long without a report something is away.
QUIET_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _PartitionLag:
    """The lag of a partition as last reported.

    Attributes:
        left: records that are yet to be read, ``None`` before the first report.
        newest: timestamp of the newest record taken, epoch seconds.
        known: when it was last reported, in seconds that never go back.
    """

    left: int | None
    newest: float | None
    known: float

    def seconds(self, wall_s: float, now: float) -> float:
        quiet_s = now - self.known
        if self.left and self.newest is not None:
            return max(0.0, wall_s - self.newest)
        return quiet_s if quiet_s > QUIET_S else 0.0


_UNKNOWN: Final = _PartitionLag(None, None, 0.0)


class Lag:
    """The lag of a worker's partitions, computed at each scrape.

    Where all records are read the lag is 0 seconds, however old the last one is. Where the log or
    the store has not answered for ``QUIET_S`` the lag is unknown, and the time since their last
    answer stands in for it.

    Args:
        clock: epoch seconds, as records are stamped by.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._lags: dict[int, _PartitionLag] = {}
        metrics.LAG_RECORDS.set_function(self.records)
        metrics.LAG_SECONDS.set_function(self.seconds)

    def observe(
        self, owned: Iterable[int], left: Mapping[int, int], taken: Iterable[Record] = ()
    ) -> None:
        """Notes the outcome of a round of the loop.

        Args:
            owned: the partitions; others are forgotten.
            left: records that are yet to be read, by partition, where the log reported it.
            taken: the records of this round, in the order of the log.
        """
        newest_ms = Records.of(taken).last_ms()
        now = self._monotonic()
        lags = {}
        for partition in owned:
            old = self._lags.get(partition, _UNKNOWN)
            last = newest_ms[partition] / 1000 if partition in newest_ms else old.newest
            if partition in left:
                lags[partition] = _PartitionLag(left[partition], last, now)
            else:
                lags[partition] = _PartitionLag(old.left, last, old.known)
        self._lags = lags

    def records(self) -> dict[str, float]:
        """Returns the lag in records, by partition."""
        return {str(p): lag.left for p, lag in self._lags.items() if lag.left is not None}

    def seconds(self) -> dict[str, float]:
        """Returns the lag in seconds, by partition."""
        clocks = self._clock(), self._monotonic()
        known = {p: lag for p, lag in self._lags.items() if lag.left is not None}
        return {str(p): lag.seconds(*clocks) for p, lag in known.items()}

    def is_read_since(self, moment: float) -> bool:
        """Whether the log has said of each partition, since then, that all of it is read.

        Args:
            moment: seconds that never go back.
        """
        return all(lag.left == 0 and lag.known >= moment for lag in self._lags.values())
