"""Clock skew of each source against the log, and the sources that are always hours off.

`source` is what sent an observation: a laboratory, a monitor. Its clock is judged by the median of
windows of its observations, so that single late results and corrections do not matter, and only if
it stays off: after an outage of an interface all that comes for a while is late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import HOUR_MS

WINDOW: Final = 20  # observations: a laboratory fills it in hours, and half of them may be late
OFF_MS: Final = HOUR_MS  # a wrong zone is an hour at least
HELD_MS: Final = 600_000  # of log time; what an outage has held back comes within minutes
MOST_SOURCES: Final = 100  # of a hospital; more are somebody's invention
LONGEST_NAME: Final = 64
OTHER: Final = "other"


Milliseconds = NDArray[np.int64]


def _none() -> Milliseconds:
    return np.empty(0, np.int64)


@dataclass(slots=True, eq=False)
class Clock:
    """The clock of one source.

    Attributes:
        name: of the source.
        behind_ms: median, over its last full window, of record minus event time; ``None`` before.
        is_off: its windows have been off by more than ``OFF_MS``, for ``HELD_MS`` at least.
    """

    name: str
    behind_ms: int | None = None
    is_off: bool = False
    _behind_ms: Milliseconds = field(default_factory=_none)  # of the window that is not full
    _recorded_ms: Milliseconds = field(default_factory=_none)
    _off_since_ms: int | None = None

    def take(self, behind_ms: Milliseconds, recorded_ms: Milliseconds) -> int:
        """Takes observations, and judges at the end of each full window.

        Returns:
            At how many of them it is off.
        """
        behind_ms = np.concatenate([self._behind_ms, behind_ms])
        recorded_ms = np.concatenate([self._recorded_ms, recorded_ms])
        n_windows = len(behind_ms) // WINDOW
        windows = slice(n_windows * WINDOW)
        self._behind_ms, self._recorded_ms = behind_ms[windows.stop :], recorded_ms[windows.stop :]
        medians = np.sort(behind_ms[windows].reshape(-1, WINDOW), axis=1)[:, WINDOW // 2]
        times = recorded_ms[windows].reshape(-1, WINDOW)
        return sum(
            self._judge(*window)
            for window in zip(
                medians.tolist(), times[:, 0].tolist(), times[:, -1].tolist(), strict=True
            )
        )

    def _judge(self, behind_ms: int, began_ms: int, ended_ms: int) -> bool:
        self.behind_ms = behind_ms
        if abs(behind_ms) <= OFF_MS:
            self._off_since_ms, self.is_off = None, False
            return False
        if self._off_since_ms is None:
            self._off_since_ms = began_ms
        self.is_off = ended_ms - self._off_since_ms >= HELD_MS
        return self.is_off


class SourceSkew:
    """The clocks of the first ``MOST_SOURCES`` sources; all others are one, ``OTHER``.

    >>> skew = SourceSkew()
    >>> late = np.full(20, 5 * HOUR_MS)
    >>> minutes = np.arange(20) * 60_000
    >>> [clock.name for clock in skew.take(["lab"] * 20, ["p1"] * 20, minutes + late, minutes)]
    ['lab']
    """

    def __init__(self) -> None:
        self._clocks = {OTHER: Clock(OTHER)}

    def take(
        self,
        sources: Iterable[object],
        patients: Sequence[str],
        recorded_ms: Milliseconds,
        measured_ms: Milliseconds,
    ) -> list[Clock]:
        """Takes ``n`` observations.

        Args:
            sources: as they came; what is no text, or empty, is no source.
            patients: of the same.
            recorded_ms: ``(n,)`` timestamps of their records, epoch milliseconds.
            measured_ms: ``(n,)`` their times, epoch milliseconds.

        Returns:
            The clocks that were judged just now and are off; one may stand more than once.
        """
        names = [source if isinstance(source, str) else "" for source in sources]
        clocks = list(map(self._clocks.get, names))
        for i in [i for i, clock in enumerate(clocks) if clock is None and names[i]]:
            name = names[i]
            clocks[i] = self._clocks.get(name) or self._clock(name, patients[i])
        numbers = np.fromiter(map(id, clocks), np.int64, len(clocks))
        behind_ms = recorded_ms - measured_ms
        off: list[Clock] = []
        for first in np.sort(np.unique(numbers, return_index=True)[1]).tolist():
            clock = clocks[first]
            if clock is not None:
                own = np.flatnonzero(numbers == numbers[first])
                off += [clock] * clock.take(behind_ms[own], recorded_ms[own])
        return off

    def clocks(self) -> list[Clock]:
        """The clocks that were judged, those that are off first; read by any thread."""
        judged = [c for c in self._clocks.copy().values() if c.behind_ms is not None]
        return sorted(judged, key=lambda clock: (not clock.is_off, clock.name))

    def _clock(self, source: str, patient: str) -> Clock:
        """Begins a clock. The name is shown to many, so one with the patient's id in it is not."""
        is_shown = source.isprintable() and len(source) <= LONGEST_NAME and patient not in source
        if not is_shown or len(self._clocks) > MOST_SOURCES:
            return self._clocks[OTHER]
        return self._clocks.setdefault(source, Clock(source))
