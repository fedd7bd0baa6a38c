"""One message of a feed, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

Topic: TypeAlias = Literal["vitals", "outcomes"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """What a feed has to say, and when.

    Attributes:
        due_ms: epoch milliseconds of feed time at which it is to be sent.
        topic: which topic it is for, by its default name.
        key: the patient id.
        value: the JSON object of the event.
    """

    due_ms: int
    topic: Topic
    key: str
    value: dict[str, object]


def rfc3339(time_ms: int) -> str:
    """Writes epoch milliseconds as people read them, in UTC.

    >>> rfc3339(1_792_576_800_000), rfc3339(1_792_576_800_250)
    ('2026-10-21T10:00:00Z', '2026-10-21T10:00:00.250Z')
    """
    time = _EPOCH + timedelta(milliseconds=time_ms)
    text = time.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds")
    return text.removesuffix("+00:00") + "Z"
