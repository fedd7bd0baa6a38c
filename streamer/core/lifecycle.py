"""Admission, discharge and medication: what begins, describes and ends a stay."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import numpy as np

from streamer.core.events import Refused
from streamer.core.features import STATIC
from streamer.core.rejections import Reason, ValueProblem
from streamer.core.stays import (
    HOUR_MS,
    LATE_BINS,
    MEDICATION_CLASSES,
    NEVER,
    NOT_MEASURED,
    StayTable,
)
from streamer.core.timeline import cells_of, fold
from streamer.core.waves import SILENCE_BINS

_SEX: Final = {"female": 0.0, "male": 1.0}
_ICU_TYPE: Final = {"medical": 0.0, "surgical": 1.0, "other": 2.0}
_MAX_AGE_YEARS: Final = 120.0
_SILENCE_MS: Final = SILENCE_BINS * HOUR_MS


def begin(table: StayTable, slot: int, origin_ms: int, *, admitted: bool) -> None:
    """Begins a new stay in a slot: whatever the slot held is over."""
    table.reset(slot)
    table["origin_ms"][slot] = origin_ms
    table["admitted"][slot] = admitted


def observed(table: StayTable, slot: int, time_ms: int) -> None:
    """Begins a stay if an observation at ``time_ms`` cannot belong to the one in the slot.

    That is so for a patient never seen, after a discharge, and after two weeks of silence. Where no
    admission was seen the hours count from the first event.
    """
    discharge_ms = table["discharge_ms"][slot]
    origin_ms = int(table["origin_ms"][slot])
    newest_ms = max(int(table["newest_ms"][slot]), origin_ms)
    if (
        origin_ms == NEVER
        or (discharge_ms != NEVER and time_ms > discharge_ms)
        or time_ms - newest_ms > _SILENCE_MS
    ):
        begin(table, slot, time_ms, admitted=False)


def admit(
    table: StayTable,
    slot: int,
    time_ms: int,
    fields: dict[str, Any],
    problems: Counter[ValueProblem],
) -> None:
    """Applies an admission: a new stay, or the missing particulars of the one that runs.

    An admission that comes after the first observations re-bins what the ring still holds by the
    true admission time. One that is repeated changes nothing: a particular once known stays.

    Raises:
        Refused: it is earlier than the stay that runs.
    """
    origin_ms = int(table["origin_ms"][slot])
    if origin_ms == NEVER:
        begin(table, slot, time_ms, admitted=True)
    elif table["admitted"][slot] and time_ms < origin_ms:
        raise Refused(Reason.TOO_LATE, "the admission is earlier than that of the present stay")
    elif time_ms > max(int(table["newest_ms"][slot]), origin_ms):
        begin(table, slot, time_ms, admitted=True)
    elif not table["admitted"][slot]:
        _rebin(table, slot, time_ms)
    _describe(table, slot, fields, problems)


def discharge(table: StayTable, slot: int, time_ms: int) -> None:
    """Ends the stay in a slot; results from before the discharge are still taken.

    Raises:
        Refused: there is no stay, or it began later.
    """
    if table["origin_ms"][slot] == NEVER:
        raise Refused(Reason.NO_STAY, "a discharge of a patient who was never observed")
    if time_ms < table["origin_ms"][slot]:
        raise Refused(Reason.TOO_LATE, "the discharge is earlier than the present stay")
    if table["discharge_ms"][slot] == NEVER:
        table["discharge_ms"][slot] = time_ms
        table.touched[slot] = True


def medicate(table: StayTable, slot: int, time_ms: int, fields: dict[str, Any]) -> None:
    """Notes whether a class of drug is running; of equal times a stop wins over a start."""
    kind = MEDICATION_CLASSES.index(fields.get("class") or "other")
    running = fields["action"] != "stop"
    known_ms = table["medication_ms"][slot, kind]
    if time_ms > known_ms or (time_ms == known_ms and not running):
        table["medication_ms"][slot, kind] = time_ms
        table["medication_on"][slot, kind] = running
        table.touched[slot] = True


def _describe(
    table: StayTable, slot: int, fields: dict[str, Any], problems: Counter[ValueProblem]
) -> None:
    age, hours = fields.get("age"), fields.get("hours_since_hospital_admission")
    given = {
        "age": _within(age, 0, _MAX_AGE_YEARS, problems),
        "sex": _SEX.get(fields.get("sex") or "", math.nan),
        "icu_type": _ICU_TYPE.get(fields.get("icu_type") or "", math.nan),
        "hours_since_hospital_admission": _within(hours, -math.inf, math.inf, problems),
    }
    new = np.array([given[name] for name in STATIC], np.float32)
    old = table["static"][slot]
    known = np.where(np.isnan(old), new, old)
    if not np.array_equal(known, old, equal_nan=True):
        table["static"][slot] = known
        table["dirty"][slot] = table["started"][slot]
        table.touched[slot] = True
    ward, bed = table.places[slot]
    table.places[slot] = (fields.get("ward") or ward, fields.get("bed") or bed)
    table.touched[slot] |= table.places[slot] != (ward, bed)


def _within(value: float | None, low: float, high: float, problems: Counter[ValueProblem]) -> float:
    if value is None:
        return math.nan
    if not math.isfinite(value):
        problems[ValueProblem.NOT_FINITE] += 1
        return math.nan
    if not low <= value <= high:
        problems[ValueProblem.OUT_OF_LIMITS] += 1
        return math.nan
    return value


def _rebin(table: StayTable, slot: int, origin_ms: int) -> None:
    """Moves a stay that ran without an admission onto the hours since its true admission.

    What the ring holds is folded anew: the newest value of each variable in each old hour. A stay
    that has outgrown its ring keeps counting from its first event.
    """
    old_origin = int(table["origin_ms"][slot])
    newest_ms = int(table["newest_ms"][slot])
    first_ms = old_origin + int(table["first_bin"][slot]) * HOUR_MS
    first = max(0, (first_ms - origin_ms) // HOUR_MS)
    newest = (newest_ms - origin_ms) // HOUR_MS
    old_span = int(table["open_bin"][slot]) - int(table["first_bin"][slot])
    if max(newest - first, old_span) > LATE_BINS:
        return
    time_ms, variables, values = cells_of(table, slot)
    table["origin_ms"][slot] = origin_ms
    table["admitted"][slot] = 1
    table["interval"][slot] += old_origin - origin_ms
    table["first_bin"][slot] = first
    table["open_bin"][slot] = newest
    table["anchor_bin"][slot] = first - 1
    table["ring_value"][slot] = np.nan
    table["ring_offset_ms"][slot] = NOT_MEASURED
    table["dirty"][slot] = 1
    table.touched[slot] = True
    in_stay = time_ms >= origin_ms
    slots = np.full(int(in_stay.sum()), slot, np.intp)
    fold(table, slots, time_ms[in_stay], variables[in_stay], values[in_stay])
