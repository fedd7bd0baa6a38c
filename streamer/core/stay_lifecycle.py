"""Admission, discharge, transfer and medication: what begins, describes and ends a stay."""

from __future__ import annotations

import contextlib
import zlib
from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import stay_rules
from streamer.core.demographics import label_of, location_of, static_of
from streamer.core.events import ANTIBIOTIC, MEDICATION_CLASSES, EventRejected, Fields, Kind
from streamer.core.hour_ring import LATE_BINS, RING
from streamer.core.reasons import Loss, Reason
from streamer.core.stays import NEVER, Notes, StayTable
from streamer.core.time import HOUR_MS
from streamer.core.timeline import cells_of, clear_rows, fold

_OBSERVATION: Final = Kind.OBSERVATION  # a member of an enumeration is slow to look up in a loop
_ADMISSION: Final = Kind.ADMISSION
_SAID: Final = (
    "event_id", "age", "sex", "icu_type", "hours_since_hospital_admission", "ward", "bed",
)  # fmt: skip
_OF_PATIENT: Final = (
    "alert_start_ms", "alert_number", "alert_peak", "last_seen_day",
    "revision", "acked", "acked_ms", "overdue_revision", "unseen_until_ms", "action_ids",
)  # fmt: skip
"""Outlives a stay: at most one alert starts per patient in 12 h, however often it is readmitted.
The last alert can still be answered, and an action that comes again still changes nothing."""


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
        due_ms, due_static = int(table["admission_due_ms"][slot]), table["due_static"][slot].copy()
        seen = table["admissions_seen"][slot].copy()
        medication_ms = table["medication_ms"][slot].copy()
        medication_on = table["medication_on"][slot].copy()
        antibiotic_since_ms = table["antibiotic_since_ms"][slot]
        notes = table.notes[slot]
        table.reset(slot)
        table.notes[slot] = Notes(notes.label, alert=notes.alert)
        for name, value in kept.items():
            table[name][slot] = value
        table["admission_due_ms"][slot], table["due_static"][slot] = due_ms, due_static
        table["admissions_seen"][slot] = seen
        past_ms = min(max(over_ms, begun_ms + 1), origin_ms)
        table["past_ms"][slot] = past_ms
        noted = medication_ms >= past_ms
        table["medication_ms"][slot, noted] = medication_ms[noted]
        table["medication_on"][slot, noted] = medication_on[noted]
        if noted[ANTIBIOTIC]:
            table["antibiotic_since_ms"][slot] = antibiotic_since_ms
    table.touched[slot] = True
    table["origin_ms"][slot] = origin_ms
    table["admitted"][slot] = admitted


def observed(table: StayTable, slot: int, time_ms: int) -> None:
    """Begins a stay if an observation at ``time_ms`` cannot belong to the one in the slot.

    Where no admission was seen the hours count from the first event. An observation from after the
    discharge takes the discharge back: the stay goes on.
    """
    if table["origin_ms"][slot] == NEVER or leaves(table, slot, time_ms, _OBSERVATION):
        begin(table, slot, time_ms, admitted=False)
    elif stay_rules.observation_returns(time_ms, int(table["discharge_ms"][slot])):
        table["discharge_ms"][slot] = NEVER
        table.touched[slot] = True


def leaves(table: StayTable, slot: int, time_ms: int, kind: Kind) -> bool:
    """Whether an event leaves the stay in the slot behind and begins another.

    The rules are those of `stay_rules`; other kinds of events begin no stay.
    """
    origin_ms = int(table["origin_ms"][slot])
    discharge_ms = int(table["discharge_ms"][slot])
    if kind == _ADMISSION:
        newest_ms = int(table["newest_ms"][slot])
        is_known = time_ms == int(table["admission_ms"][slot])
        if not table["started"][slot] and origin_ms != NEVER and discharge_ms == NEVER:
            return False  # nothing was seen since the admission before: this one corrects it
        return not is_known and stay_rules.admission_begins_stay(
            time_ms, origin_ms, newest_ms, discharge_ms
        )
    if kind != _OBSERVATION:
        return False
    silent_bins = (time_ms - origin_ms) // HOUR_MS - int(table["open_bin"][slot])
    return bool(stay_rules.observation_begins_stay(silent_bins, time_ms, discharge_ms))


def admit(
    table: StayTable,
    slot: int,
    time_ms: int,
    clock_ms: int,
    fields: Fields,
    losses: Counter[Loss],
) -> None:
    """Applies an admission: a new stay, or corrected particulars and time of the one that runs.

    One that is ahead of the log acts when its time has come (``settle_admission``). A corrected
    time lays the hours anew, as far as the ring reaches. One that is repeated changes nothing.

    Args:
        table: the stays; changed in place.
        slot: the patient's.
        time_ms: of the admission.
        clock_ms: timestamp of its record.
        fields: of the event.
        losses: particulars that cannot be used are counted here.

    Raises:
        EventRejected: it is of a past stay, or two weeks earlier than all that was seen.
    """
    if is_repeated(table, slot, time_ms, fields):
        return
    static = static_of(fields, losses)
    label = label_of(fields, losses)
    if time_ms > clock_ms:
        table["admission_due_ms"][slot] = time_ms
        table["due_static"][slot] = static
        if table["origin_ms"][slot] == NEVER:
            _locate(table, slot, time_ms, fields, losses)
    else:
        _admit(table, slot, time_ms)
        table["admission_due_ms"][slot] = NEVER  # the later admission in the log counts
        _describe(table, slot, static)
        _locate(table, slot, time_ms, fields, losses)
    if label is not None:
        table.notes[slot] = replace(table.notes[slot], label=label)
    seen = table["admissions_seen"][slot]
    table["admissions_seen"][slot] = np.append(seen[1:], admission_checksum(time_ms, fields))
    table.touched[slot] = True


def is_repeated(table: StayTable, slot: int, time_ms: int, fields: Fields) -> bool:
    """Whether an admission says, word for word, what one of the last ones said."""
    return bool((table["admissions_seen"][slot] == admission_checksum(time_ms, fields)).any())


def admission_checksum(time_ms: int, fields: Fields) -> np.uint32:
    """A checksum of all that an admission says, above 0; its id makes one that is meant anew."""
    particulars = {name: fields.get(name) for name in _SAID}
    if fields.get("label") is not None:  # else as before there were labels
        particulars["label"] = fields["label"]
    return np.uint32(zlib.crc32(repr((time_ms, particulars)).encode(errors="replace")) or 1)


def settle_admission(table: StayTable, slot: int) -> None:
    """Applies an admission whose time has come, with its particulars."""
    time_ms = int(table["admission_due_ms"][slot])
    static = table["due_static"][slot].copy()
    table["admission_due_ms"][slot], table["due_static"][slot] = NEVER, np.nan
    table.touched[slot] = True
    if _goes_on(table, slot):
        table["admission_ms"][slot] = time_ms
        _describe(table, slot, static)
        return
    location, located_ms = table.locations[slot], int(table["location_ms"][slot])
    with contextlib.suppress(EventRejected):  # it is of a past stay by now
        _admit(table, slot, time_ms)
        _describe(table, slot, static)
    table.locations[slot], table["location_ms"][slot] = location, located_ms


def due_admission_leaves(table: StayTable, slot: int) -> bool:
    """Whether an admission whose time has come begins another stay than the one in the slot."""
    time_ms = int(table["admission_due_ms"][slot])
    return not _goes_on(table, slot) and leaves(table, slot, time_ms, _ADMISSION)


def _goes_on(table: StayTable, slot: int) -> bool:
    """Whether a stay that began without an admission goes on when an announced one is due.

    Its hours count from its first event: who has been watched for an hour is not watched from zero.
    """
    is_over = table["discharge_ms"][slot] != NEVER
    return bool(table["started"][slot] and not table["admitted"][slot] and not is_over)


def _admit(table: StayTable, slot: int, time_ms: int) -> None:
    """Begins a stay at an admission, or corrects the time of the one that runs."""
    origin_ms = int(table["origin_ms"][slot])
    if origin_ms == NEVER or leaves(table, slot, time_ms, _ADMISSION):
        begin(table, slot, time_ms, admitted=True)
        table["admission_ms"][slot] = time_ms
        return
    if time_ms < table["past_ms"][slot]:
        raise EventRejected(Reason.TOO_LATE, "the admission is of a past stay")
    if time_ms < origin_ms - stay_rules.SILENCE_BINS * HOUR_MS:
        raise EventRejected(
            Reason.TOO_LATE, "the admission is over two weeks earlier than the stay that runs"
        )
    if time_ms == table["admission_ms"][slot]:
        return
    if not table["started"][slot] or time_ms <= table["newest_ms"][slot]:
        _rebin(table, slot, time_ms)
    table["admission_ms"][slot] = time_ms
    table.touched[slot] = True


def discharge(
    table: StayTable, slot: int, time_ms: int, clock_ms: int, *, cancelled: bool = False
) -> None:
    """Ends the stay in a slot, or takes that back; results from before it are still taken.

    One that is ahead of the log ends nothing until its time has come (``settle_discharge``). One
    that is repeated, or was taken back, changes nothing.

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
    left_ms = int(table["left_ms"][slot])
    is_known = time_ms <= left_ms
    if cancelled:
        # One of an earlier discharge, sent again, takes no later one back.
        if time_ms >= left_ms:
            table["left_ms"][slot] = time_ms
            table["discharge_ms"][slot] = NEVER
        if time_ms >= table["discharge_due_ms"][slot]:
            table["discharge_due_ms"][slot] = NEVER
        table.touched[slot] = True
    elif is_known:
        return
    elif time_ms > clock_ms:
        table["discharge_due_ms"][slot] = time_ms
        table.touched[slot] = True
    else:
        _discharge(table, slot, time_ms, clock_ms)


def settle_discharge(table: StayTable, slot: int) -> None:
    """Ends the stay by a discharge whose time has come."""
    time_ms = int(table["discharge_due_ms"][slot])
    table["discharge_due_ms"][slot] = NEVER
    if time_ms > table["left_ms"][slot]:
        _discharge(table, slot, time_ms, time_ms)


def _discharge(table: StayTable, slot: int, time_ms: int, clock_ms: int) -> None:
    # Not before what was seen already: that, repeated, would look like data from after it. What was
    # ahead of the log does not count: it would make a day of data look like data from before it.
    seen_ms = min(int(table["newest_ms"][slot]), clock_ms)
    table["discharge_ms"][slot] = max(time_ms, seen_ms)
    table["left_ms"][slot] = time_ms
    table.touched[slot] = True


def transfer(
    table: StayTable,
    slot: int,
    time_ms: int,
    fields: Fields,
    losses: Counter[Loss],
) -> None:
    """Notes where a patient is; the latest time wins, of equal times the greater ward and bed.

    Raises:
        EventRejected: there is no stay, or it began later.
    """
    if table["origin_ms"][slot] == NEVER:
        raise EventRejected(Reason.NO_STAY, "a transfer of a patient who was never observed")
    if time_ms < table["past_ms"][slot]:
        raise EventRejected(Reason.TOO_LATE, "the transfer is of a past stay")
    here = (str(fields.get("ward") or ""), str(fields.get("bed") or ""))
    if time_ms == table["location_ms"][slot] and here < table.locations[slot]:
        return  # of two transfers at one time the same one wins, whatever their order
    _locate(table, slot, time_ms, fields, losses)


def medicate(table: StayTable, slot: int, time_ms: int, fields: Fields) -> None:
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
        if kind == ANTIBIOTIC and running and not table["medication_on"][slot, kind]:
            table["antibiotic_since_ms"][slot] = time_ms
        table["medication_on"][slot, kind] = running
        table.touched[slot] = True


def _describe(table: StayTable, slot: int, static: NDArray[np.float32]) -> None:
    """Takes the particulars that are known; the others stay as they are."""
    old = table["static"][slot]
    known = np.where(np.isnan(static), old, static)
    if not np.array_equal(known, old, equal_nan=True):
        table["static"][slot] = known
        table["dirty"][slot] = table["started"][slot]
        table.touched[slot] = True


def _locate(
    table: StayTable,
    slot: int,
    time_ms: int,
    fields: Fields,
    losses: Counter[Loss],
) -> None:
    ward, bed = table.locations[slot]
    new_ward, new_bed = location_of(fields, losses)
    if time_ms >= table["location_ms"][slot] and (new_ward or new_bed):
        table.locations[slot] = (new_ward or ward, new_bed or bed)
        table["location_ms"][slot] = time_ms
        table.touched[slot] = True


def _rebin(table: StayTable, slot: int, origin_ms: int) -> None:
    """Moves a stay onto the hours since its true admission.

    What the ring holds is folded anew: the two newest moments of each variable in each old hour. A
    stay that has outgrown its ring keeps counting as it did. Data from before the admission go.
    """
    if not table["started"][slot]:
        table["origin_ms"][slot] = origin_ms
        table["admitted"][slot] = 1
        return
    newest_ms = int(table["newest_ms"][slot])
    cells = cells_of(table, slot)
    # Without an admission the origin is the time of an event, with or without values; so is the
    # newest time.
    begun = () if table["admitted"][slot] else (int(table["origin_ms"][slot]),)
    seen_ms = (*begun, newest_ms, *cells.time_ms.tolist())
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
    clear_rows(table, np.full(RING, slot, np.intp), np.arange(RING))
    table["dirty"][slot] = 1
    table.touched[slot] = True
    gone = table["last_ms"][slot] < origin_ms
    table["last_value"][slot, gone], table["last_ms"][slot, gone] = np.nan, NEVER
    kept = cells[cells.time_ms >= origin_ms]
    fold(table, np.full(len(kept.time_ms), slot, np.intp), kept)
