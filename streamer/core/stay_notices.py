"""A stay as people see it: where the patient is, who, and until when the alarm is paused.

It is said again only when it changes: a checksum of what was said last is part of the stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from streamer.core import features, standings
from streamer.core.demographics import SEX_CODES
from streamer.core.stays import NEVER, StayTable

_AGE: Final = features.STATIC.index("age")
_SEX: Final = features.STATIC.index("sex")
_SEXES: Final = {code: name for name, code in SEX_CODES.items()}


@dataclass(frozen=True, slots=True)
class StaySummary:
    """What people see of a stay; times in epoch milliseconds, ``None`` where unknown.

    ``pause_by`` is JSON of who paused the patient, until ``pause_until_ms``, for ``pause_reason``.
    """

    label: str | None
    ward: str | None
    bed: str | None
    age: float | None
    sex: str | None
    admitted_ms: int | None
    discharged_ms: int | None
    pause_reason: str | None
    pause_until_ms: int | None
    pause_by: bytes
    antibiotic_since_ms: int | None


@dataclass(frozen=True, slots=True)
class StayNotice:
    """A stay that has changed, or was let go.

    Attributes:
        event: the event of the batch behind it.
        after: the number of the batch's assessments before it.
        patient: whose stay it is.
        time_ms: of the event.
        summary: what people see of it then; ``None``: it was let go.
        alert_before: JSON of the last message of its alert before the batch; empty for none.
    """

    event: int
    after: int
    patient: str
    time_ms: int
    summary: StaySummary | None
    alert_before: bytes = b""


def summary_of(table: StayTable, slot: int) -> StaySummary:
    """Returns what people see of a stay."""
    static = table["static"][slot]
    age, sex = float(static[_AGE]), float(static[_SEX])
    ward, bed = table.locations[slot]
    notes = table.notes[slot]
    is_paused = standings.is_paused(table, slot)
    return StaySummary(
        notes.label or None,
        ward or None,
        bed or None,
        None if np.isnan(age) else round(age, 2),
        _SEXES.get(sex),
        _known(table["admission_ms"][slot]),
        _known(table["discharge_ms"][slot]),
        standings.pause_reason(table, slot) if is_paused else None,
        int(table["pause_until_ms"][slot]) if is_paused else None,
        notes.pause_by if is_paused else b"",
        standings.treated_since_ms(table, slot),
    )


def changed_summary(table: StayTable, slot: int) -> StaySummary | None:
    """Returns what people see of a stay that has begun, if it is not what was said last."""
    summary = summary_of(table, slot)
    return summary if is_news(table, slot, summary) else None


def is_news(table: StayTable, slot: int, summary: StaySummary) -> bool:
    """Whether a stay has begun and this is not what was said of it last; it counts as said now."""
    if table["origin_ms"][slot] == NEVER:
        return False
    checksum = np.uint32(crc32(repr(summary).encode(errors="replace")) or 1)
    if checksum == table["notice"][slot]:
        return False
    table["notice"][slot] = checksum
    table.touched[slot] = True
    return True


def _known(time_ms: np.int64) -> int | None:
    return None if time_ms == NEVER else int(time_ms)
