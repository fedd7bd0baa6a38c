"""Days of a partition's log by offset: at which record each day began.

Stays expire by the day of the log, which otherwise follows from the stays (`core.expiry`). Restored
stays are at different offsets, so a replay into them needs the days as they were.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class LogDays:
    """A function of the offset that rises now and then: some 365 times a year.

    Args:
        offset: of a record.
        day: the day of the log when it had been read, in days since the epoch; 0 before the first.
    """

    def __init__(self, offset: int, day: int) -> None:
        self._offsets = [offset]
        self._days = [day]

    def begin(self, offset: int, day: int) -> bool:
        """Notes that a day begins with a record; returns false if the day is not later."""
        is_later = day > self._days[-1] and offset > self._offsets[-1]
        if is_later:
            self._offsets.append(offset)
            self._days.append(day)
        return is_later

    def before(self, offset: int) -> int:
        """The day before a record was read."""
        return int(self.at(np.array([offset - 1]))[0])

    def at(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The day when each of these records had been read; none is before the first offset."""
        return np.array(self._days)[np.searchsorted(self._offsets, offsets, side="right") - 1]
