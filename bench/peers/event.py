"""What both kinds of work read from an event."""

from __future__ import annotations

from datetime import datetime


def epoch_ms(time: str | int) -> int:
    """Epoch milliseconds of an event's time.

    >>> epoch_ms("1970-01-01T00:00:01.5Z"), epoch_ms(7)
    (1500, 7)
    """
    if isinstance(time, int):
        return time
    return round(datetime.fromisoformat(time).timestamp() * 1000)
