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


@dataclass(slots=True)
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
    _window: list[tuple[int, int]] = field(default_factory=list)  # behind, of which record
    _off_since_ms: int | None = None

    def take(self, behind_ms: int, recorded_ms: int) -> bool:
        """Takes one observation; judges when the window is full, and returns whether it is off."""
        self._window.append((behind_ms, recorded_ms))
        if len(self._window) < WINDOW:
            return False
        began_ms = self._window[0][1]
        self.behind_ms = sorted(behind for behind, _ in self._window)[WINDOW // 2]
        self._window.clear()
        if abs(self.behind_ms) <= OFF_MS:
            self._off_since_ms, self.is_off = None, False
            return False
        if self._off_since_ms is None:
            self._off_since_ms = began_ms
        self.is_off = recorded_ms - self._off_since_ms >= HELD_MS
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
        recorded_ms: NDArray[np.int64],
        measured_ms: NDArray[np.int64],
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
        off: list[Clock] = []
        find = self._clocks.get
        behind = (recorded_ms - measured_ms).tolist()
        for source, patient, behind_ms, at_ms in zip(
            sources, patients, behind, recorded_ms.tolist(), strict=True
        ):
            if isinstance(source, str) and source:
                clock = find(source) or self._clock(source, patient)
                if clock.take(behind_ms, at_ms):
                    off.append(clock)
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
