"""Admission, discharge and medication: what begins, describes and ends a stay."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from streamer.core import stay_rules
from streamer.core.demographics import location_of, static_of
from streamer.core.events import MEDICATION_CLASSES, EventRejected, Kind
from streamer.core.reasons import Reason, ValueProblem
from streamer.core.stays import (
    LATE_BINS,
    NEVER,
    NOT_MEASURED,
    StayTable,
)
from streamer.core.time import HOUR_MS
from streamer.core.timeline import cells_of, fold

_OBSERVATION: Final = Kind.OBSERVATION  # a member of an enumeration is slow to look up in a loop
_ADMISSION: Final = Kind.ADMISSION
_OF_PATIENT: Final = ("alert_start_ms", "alert_number", "alert_peak", "last_seen_day")
"""Outlives a stay: at most one alert starts per patient in 12 h, however often it is readmitted."""


def begin(table: StayTable, slot: int, origin_ms: int, *, admitted: bool) -> None:
    """Begins a new stay in a slot: the stay that it held is over, and its events are past.

    Medication that was noted since the last stay, or before the first, is kept for this one.
    """
    if table["origin_ms"][slot] != NEVER:
        kept = {name: table[name][slot] for name in _OF_PATIENT}
        begun_ms, newest_ms, discharge_ms = (
            int(table[name][slot]) for name in ("origin_ms", "newest_ms", "discharge_ms")
        )
        # An admission at the minute of a discharge is of the next stay; a measurement then is not.
        over_ms = newest_ms + 1 if newest_ms > discharge_ms else discharge_ms
        medication_ms = table["medication_ms"][slot].copy()
        medication_on = table["medication_on"][slot].copy()
        table.reset(slot)
        for name, value in kept.items():
            table[name][slot] = value
        past_ms = min(max(over_ms, begun_ms + 1), origin_ms)
        table["past_ms"][slot] = past_ms
        noted = medication_ms >= past_ms
        table["medication_ms"][slot, noted] = medication_ms[noted]
        table["medication_on"][slot, noted] = medication_on[noted]
    table.touched[slot] = True
    table["origin_ms"][slot] = origin_ms
    table["admitted"][slot] = admitted


def observed(table: StayTable, slot: int, time_ms: int) -> None:
    """Begins a stay if an observation at ``time_ms`` cannot belong to the one in the slot.

    Where no admission was seen the hours count from the first event.
    """
    if table["origin_ms"][slot] == NEVER or leaves(table, slot, time_ms, _OBSERVATION):
        begin(table, slot, time_ms, admitted=False)


def leaves(table: StayTable, slot: int, time_ms: int, kind: Kind) -> bool:
    """Whether an event leaves the stay in the slot behind and begins another.

    The rules are those of `stay_rules`; other kinds of events begin no stay.
    """
    origin_ms = int(table["origin_ms"][slot])
    discharge_ms = int(table["discharge_ms"][slot])
    if kind == _ADMISSION:
        newest_ms = int(table["newest_ms"][slot])
        return stay_rules.admission_begins_stay(time_ms, origin_ms, newest_ms, discharge_ms)
    if kind != _OBSERVATION:
        return False
    silent_bins = (time_ms - origin_ms) // HOUR_MS - int(table["open_bin"][slot])
    return bool(stay_rules.observation_begins_stay(silent_bins, time_ms, discharge_ms))


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
        EventRejected: it is earlier than the stay that runs.
    """
    origin_ms = table["origin_ms"][slot]
    if origin_ms == NEVER or leaves(table, slot, time_ms, _ADMISSION):
        begin(table, slot, time_ms, admitted=True)
    elif time_ms < (origin_ms if table["admitted"][slot] else table["past_ms"][slot]):
        raise EventRejected(
            Reason.TOO_LATE, "the admission is earlier than that of the present stay"
        )
    elif not table["admitted"][slot] and time_ms <= table["newest_ms"][slot]:
        _rebin(table, slot, time_ms)
    _describe(table, slot, fields, problems)


def discharge(table: StayTable, slot: int, time_ms: int) -> None:
    """Ends the stay in a slot; results from before the discharge are still taken.

    Raises:
        EventRejected: there is no stay, or it began later.
    """
    origin_ms = table["origin_ms"][slot]
    if origin_ms == NEVER:
        raise EventRejected(Reason.NO_STAY, "a discharge of a patient who was never observed")
    # Of two stays back to back, the discharge at the minute of the admission ends the first.
    follows_a_stay = table["past_ms"][slot] != NEVER
    if time_ms < origin_ms or (time_ms == origin_ms and follows_a_stay):
        raise EventRejected(Reason.TOO_LATE, "the discharge is earlier than the present stay")
    discharge_ms = table["discharge_ms"][slot]
    if discharge_ms != NEVER and time_ms > discharge_ms:
        raise EventRejected(
            Reason.NO_STAY, "a discharge after a discharge, with nothing in between"
        )
    if discharge_ms == NEVER:
        # Not before what was seen already: that, repeated, would look like the next stay.
        table["discharge_ms"][slot] = max(time_ms, int(table["newest_ms"][slot]))
        table.touched[slot] = True


def medicate(table: StayTable, slot: int, time_ms: int, fields: dict[str, Any]) -> None:
    """Notes whether a class of drug is running; of equal times a stop wins over a start.

    Raises:
        EventRejected: it is of a past stay.
    """
    if time_ms < table["past_ms"][slot]:
        raise EventRejected(Reason.TOO_LATE, "the medication is of a past stay")
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
    new = static_of(fields, problems)
    old = table["static"][slot]
    known = np.where(np.isnan(old), new, old)
    if not np.array_equal(known, old, equal_nan=True):
        table["static"][slot] = known
        table["dirty"][slot] = table["started"][slot]
        table.touched[slot] = True
    ward, bed = table.locations[slot]
    new_ward, new_bed = location_of(fields, problems)
    table.locations[slot] = (new_ward or ward, new_bed or bed)
    table.touched[slot] |= table.locations[slot] != (ward, bed)


def _rebin(table: StayTable, slot: int, origin_ms: int) -> None:
    """Moves a stay that ran without an admission onto the hours since its true admission.

    What the ring holds is folded anew: the newest value of each variable in each old hour. A stay
    that has outgrown its ring keeps counting from its first event.
    """
    old_origin = int(table["origin_ms"][slot])
    newest_ms = int(table["newest_ms"][slot])
    time_ms, variables, values = cells_of(table, slot)
    # The old origin and the newest time are those of events, too, with or without values.
    seen_ms = (old_origin, newest_ms, *time_ms.tolist())
    first = (min(seen for seen in seen_ms if seen >= origin_ms) - origin_ms) // HOUR_MS
    newest = (newest_ms - origin_ms) // HOUR_MS
    old_span = int(table["open_bin"][slot]) - int(table["first_bin"][slot])
    if max(newest - first, old_span) > LATE_BINS:
        return
    table["origin_ms"][slot] = origin_ms
    table["admitted"][slot] = 1
    # Whatever the intervals are, that of the newest event has been evaluated.
    table["interval"][slot] = newest_ms - origin_ms
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
