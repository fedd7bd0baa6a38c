"""Fields of an event that both kinds of work read."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict


class PeerEvent(TypedDict, total=False):
    """An event of the input topic; observations have ``values``, admissions the rest."""

    type: str
    patient_id: str
    time: str | int
    values: dict[str, float | None]
    units: dict[str, str]
    age: float | None
    sex: str
    icu_type: str
    hours_since_hospital_admission: float | None


def epoch_ms(time: str | int) -> int:
    """Epoch milliseconds of an event's time.

    >>> epoch_ms("1970-01-01T00:00:01.5Z"), epoch_ms(7)
    (1500, 7)
    """
    if isinstance(time, int):
        return time
    return round(datetime.fromisoformat(time).timestamp() * 1000)
