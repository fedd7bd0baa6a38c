"""Units of time in milliseconds, and times as RFC 3339 text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def rfc3339(time_ms: int) -> str:
    """Writes epoch milliseconds as the messages do: UTC, a fraction only where there is one.

    >>> rfc3339(1_767_225_600_000), rfc3339(1_767_225_600_250)
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.250Z')
    """
    seconds, fraction = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    minute = f"{_minute(minutes)}:{second:02d}"
    return f"{minute}.{fraction:03d}Z" if fraction else f"{minute}Z"


@lru_cache(maxsize=65_536)  # the events of a batch, and of the next, share their minutes
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M")
