"""Times of the simulated ward's messages as text, always with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from streamer.feeds.message import Message

__all__ = ["Message", "rfc3339", "rfc3339_one"]


def rfc3339(epoch_ms: NDArray[np.int64]) -> list[str]:
    """Writes epoch milliseconds as RFC 3339 in UTC.

    >>> rfc3339(np.array([0, 1_767_225_600_250]))
    ['1970-01-01T00:00:00.000Z', '2026-01-01T00:00:00.250Z']
    """
    texts: list[str] = np.datetime_as_string(
        epoch_ms.astype("datetime64[ms]"), unit="ms", timezone="UTC"
    ).tolist()
    return texts


def rfc3339_one(epoch_ms: int) -> str:
    """Writes one instant as :func:`rfc3339` does, without numpy's overhead.

    >>> rfc3339_one(1_767_225_600_250)
    '2026-01-01T00:00:00.250Z'
    """
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03d}Z"
