"""Timestamps of outputs, also where brokers refuse the clock of this machine.

Kafka refuses records that are more than an hour ahead of its own clock
(`message.timestamp.after.max.ms`). A service on a machine whose clock is wrong would write nothing.
So once it was refused, it writes the time of the newest record that it has read: Kafka has taken
that one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog
from kafka.errors import InvalidRecordError, InvalidTimestampError

from streamer.core.records import Records

_log = structlog.get_logger()

_MISTRUSTED_S: Final = 600.0  # then the clock is tried again, at the cost of one transaction


class OutputTimestamps:
    """Stamps for outputs.

    Args:
        clock: epoch seconds of this machine.
        elapsed: seconds that only rise.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._newest_ms: int | None = None
        self._refused_at: float | None = None

    def follow(self, records: Records) -> None:
        """Notes the newest time among records that were read, as far as they are past."""
        if len(records):
            past = records.timestamp_ms[records.timestamp_ms <= self._clock() * 1000]
            newest_ms = int(past.max(initial=-1))
            if newest_ms >= 0:
                self._newest_ms = max(newest_ms, self._newest_ms or 0)

    def note(self, error: BaseException) -> None:
        """Notes why a transaction failed."""
        cause: BaseException | None = error
        while cause is not None:
            if _is_about_time(cause) and self._newest_ms is not None:
                if self._refused_at is None:
                    ahead_s = round(self._clock() - self._newest_ms / 1000)
                    _log.error("Kafka refuses the clock of this machine", ahead_seconds=ahead_s)
                self._refused_at = self._elapsed()
            cause = cause.__cause__ or cause.__context__

    def stamp_ms(self) -> int:
        """Returns the time to be written, epoch milliseconds."""
        if self._refused_at is not None and self._newest_ms is not None:
            if self._elapsed() - self._refused_at < _MISTRUSTED_S:
                return self._newest_ms
            self._refused_at = None
        return int(self._clock() * 1000)


def _is_about_time(error: BaseException) -> bool:
    """Whether a broker refuses a timestamp; where one record is named, only its text says so."""
    if isinstance(error, InvalidRecordError):
        return "timestamp" in str(error).lower()
    return isinstance(error, InvalidTimestampError)
