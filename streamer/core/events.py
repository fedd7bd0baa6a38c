"""The events of the `vitals` topic: a record's bytes to a checked event, or the reason why not."""

from __future__ import annotations

import json
import unicodedata
from enum import IntEnum
from typing import Any, Final, TypeAlias, TypedDict

from pydantic_core import from_json

from streamer.core.actions import MAX_ACTION_BYTES, BadActionError, read_action
from streamer.core.bad_time_hints import hint_for_number
from streamer.core.canary import CANARY_PROCESSING, PREFIX, TEST_DATA, is_canary
from streamer.core.numbers import read_number
from streamer.core.reasons import Loss, Reason, ValueProblem
from streamer.core.time import BadTimeError, check_ms, read_ms
from streamer.core.variables import BUILT_IN, VariableTable

MAX_VALUE_BYTES: Final = 64 * 1024
MAX_PATIENT_ID: Final = 128
ONLY_ONCE: Final = ("patient_id", "time", "type", "values")
"""The keys that decide whose an event is, when and what: twice, nobody knows which one is meant."""
_PATIENT_ID, _TIME, _TYPE, _VALUES = (f'"{name}"'.encode() for name in ONLY_ONCE)

# Control, format (the bidirectional ones are of these), surrogate, line and paragraph separator.
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_ACTIONS: Final = ("start", "stop", "rate", "bolus")
MEDICATION_CLASSES: Final = ("antibiotic", "vasopressor", "fluid", "other")
ANTIBIOTIC: Final = MEDICATION_CLASSES.index("antibiotic")


class Kind(IntEnum):
    """The types of event."""

    OBSERVATION = 0
    ADMISSION = 1
    DISCHARGE = 2
    MEDICATION = 3
    TRANSFER = 4
    ACTION = 5


NEEDS_STAY: Final = (Kind.DISCHARGE, Kind.TRANSFER, Kind.ACTION)
"""Kinds that begin no stay: an event of a patient of whom nothing is known is rejected."""

Fields: TypeAlias = dict[str, Any]
"""The fields of an event by name, as they came or checked: JSON of its sender's own making."""

_KINDS: Final = {kind.name.lower(): kind for kind in Kind}
_REQUIRED: Final = {Kind.OBSERVATION: ("values",), Kind.MEDICATION: ("drug", "action")}


class EventRejected(ValueError):
    """An event that cannot be taken: ``reason`` for machines, ``detail`` for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Event(TypedDict):
    """A checked event: whose, when, what.

    ``fields`` is what it carried. Of an observation ``values`` are numbers or ``None`` and
    ``units`` text; ``losses`` says which values were none. What else is in it is as it came.
    """

    patient: str
    time_ms: int
    kind: Kind
    fields: Fields
    losses: list[Loss]


def parse(value: bytes | None, key: bytes | None, variables: VariableTable = BUILT_IN) -> Event:
    """Checks one record of the `vitals` topic.

    Args:
        value: the record's value, JSON.
        key: the record's key, which must be the patient id in UTF-8.
        variables: a value of one that is no number is counted as lost.

    Raises:
        EventRejected: with the reason; limits of values and their units are not judged here.
    """
    if value is None:
        raise EventRejected(Reason.EMPTY, "the record has no value")
    if len(value) > MAX_VALUE_BYTES:
        raise EventRejected(Reason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_VALUE_BYTES}")
    fields = _object(value)
    if not isinstance(fields.get("patient_id"), str | None):
        raise EventRejected(Reason.WRONG_TYPE, "patient_id: Input should be a valid string")
    kind = _kind(fields.get("type", "observation"))
    losses: list[Loss] = []
    if kind is Kind.OBSERVATION:
        fields = _observation(fields, losses, variables)
    elif kind is Kind.MEDICATION:
        _check_medication(fields)
    elif kind is Kind.DISCHARGE and not isinstance(fields.get("cancelled"), bool | None):
        raise EventRejected(Reason.WRONG_TYPE, "cancelled: Input should be true or false")
    elif kind is Kind.ACTION:
        _check_action(fields, len(value))
    patient = _patient(fields.get("patient_id"))
    _check_processing(patient, fields.get("processing"))
    _check_key(key, patient)
    for name in _REQUIRED.get(kind, ()):
        if name not in fields:
            raise EventRejected(Reason.WRONG_TYPE, f"{name}: required for type {kind.name.lower()}")
    return {
        "patient": patient,
        "time_ms": milliseconds(fields.get("time")),
        "kind": kind,
        "fields": fields,
        "losses": losses,
    }


def milliseconds(time: object) -> int:
    """Returns epoch milliseconds of an event's ``time`` field.

    >>> milliseconds("1990-01-01T01:00:00.250+01:00"), milliseconds(631_152_000_250)
    (631152000250, 631152000250)

    Raises:
        EventRejected: it is absent, has no offset, or is no time at all; what it looks like is in
            the detail.
    """
    if time is None:
        raise EventRejected(Reason.NO_TIME, "time is required")
    try:
        if isinstance(time, str):
            return read_ms(time)
        if isinstance(time, int) and not isinstance(time, bool):
            return check_ms(time)
    except BadTimeError as error:
        raise EventRejected(Reason.BAD_TIME, str(error)) from None
    hint = hint_for_number(time) if isinstance(time, float) else ""
    raise EventRejected(Reason.BAD_TIME, f"time must be a string or integer milliseconds{hint}")


def _object(value: bytes) -> Fields:
    try:
        fields = from_json(value)
    except ValueError as error:
        try:
            value.decode()
        except UnicodeDecodeError as bad:
            raise EventRejected(
                Reason.INVALID_UTF8, f"byte {bad.start} is not valid UTF-8"
            ) from None
        raise EventRejected(Reason.NOT_JSON, f"Invalid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise EventRejected(Reason.WRONG_TYPE, "event: Input should be an object")
    if may_repeat_a_key(value):
        # Of an object the names alone; that of the whole event is made last.
        names = json.loads(value, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
        for name in ONLY_ONCE:
            if names.count(name) > 1:
                raise EventRejected(
                    Reason.DUPLICATE_KEY, f"{name} stands {names.count(name)} times"
                )
    return fields


def may_repeat_a_key(value: bytes) -> bool:
    """Whether a key of ``ONLY_ONCE`` could stand twice in a text; seldom so where it does not."""
    return (
        b"\\" in value
        or value.count(_PATIENT_ID) > 1
        or value.count(_TIME) > 1
        or value.count(_TYPE) > 1
        or value.count(_VALUES) > 1
    )


def _kind(name: object) -> Kind:
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise EventRejected(Reason.WRONG_TYPE, f"type: must be one of {', '.join(_KINDS)}")
    return kind


def _patient(patient: str | None) -> str:
    if not patient or len(patient) > MAX_PATIENT_ID:
        raise EventRejected(
            Reason.NO_PATIENT, f"patient_id must have 1 to {MAX_PATIENT_ID} characters"
        )
    if patient != patient.strip():
        raise EventRejected(Reason.BAD_PATIENT, "patient_id begins or ends with a blank")
    for i, character in enumerate(patient):
        if not character.isprintable() and unicodedata.category(character) in _UNSEEN:
            raise EventRejected(
                Reason.BAD_PATIENT,
                f"character {i + 1} of patient_id is U+{ord(character):04X}, which nobody sees",
            )
    return patient


def _check_processing(patient: str, processing: object) -> None:
    """Refuses test data of what could be a patient, and a canary's id on anything else."""
    if is_canary(patient):
        if processing != CANARY_PROCESSING:
            raise EventRejected(
                Reason.BAD_PATIENT,
                f'patient_id begins with {PREFIX}, which needs "processing": "{CANARY_PROCESSING}"',
            )
    elif processing in TEST_DATA:
        raise EventRejected(
            Reason.TEST_DATA, f'"processing": "{processing}" and no id that begins with {PREFIX}'
        )


def _check_key(key: bytes | None, patient: str) -> None:
    if key is None:
        raise EventRejected(Reason.NO_KEY, "the record's key must be the patient id")
    try:
        owner = key.decode()
    except UnicodeDecodeError as bad:
        raise EventRejected(Reason.INVALID_UTF8, f"byte {bad.start} of the key") from None
    if owner != patient:
        raise EventRejected(
            Reason.KEY_MISMATCH, f"the key is not the patient id ({len(key)} bytes)"
        )


def _observation(fields: Fields, losses: list[Loss], variables: VariableTable) -> Fields:
    """Reads the values of an observation as numbers; one that is none costs nothing but itself."""
    values, units = fields.get("values", {}), fields.get("units")
    if not isinstance(values, dict):
        raise EventRejected(Reason.WRONG_TYPE, "values: Input should be an object")
    if units is not None and not isinstance(units, dict):
        raise EventRejected(Reason.WRONG_TYPE, "units: Input should be an object")
    revision = 0 if fields.get("revision") is None else fields["revision"]
    if isinstance(revision, bool) or not isinstance(revision, int) or not 0 <= revision <= 255:
        raise EventRejected(Reason.WRONG_TYPE, "revision: must be an integer from 0 to 255")
    named = {name: unit for name, unit in (units or {}).items() if isinstance(unit, str)}
    numbers: dict[str, float | None] = {}
    for name, value in values.items():
        number, problem = read_number(value)
        if units and number is not None and name not in named and units.get(name) is not None:
            number, problem = None, ValueProblem.UNKNOWN_UNIT
        if number is not None or problem is None:  # a bad value is no null, which withdraws one
            numbers[name] = number
        if problem is not None and name in variables.index:
            losses.append(Loss(problem, name, named.get(name)))
    read = {"values": numbers} if "values" in fields else {}
    return {**fields, **read, "units": named, "revision": revision}


def _check_action(fields: Fields, n_bytes: int) -> None:
    if n_bytes > MAX_ACTION_BYTES:
        raise EventRejected(
            Reason.TOO_LARGE, f"{n_bytes} bytes, an action has at most {MAX_ACTION_BYTES}"
        )
    try:
        read_action(fields)
    except BadActionError as error:
        raise EventRejected(Reason.WRONG_TYPE, str(error)) from None


def _check_medication(fields: Fields) -> None:
    if not isinstance(fields.get("drug", ""), str):
        raise EventRejected(Reason.WRONG_TYPE, "drug: Input should be a valid string")
    for name, words in (("action", _ACTIONS), ("class", MEDICATION_CLASSES)):
        word = fields.get(name, words[0])
        if word not in words and not (name == "class" and word is None):
            raise EventRejected(Reason.WRONG_TYPE, f"{name}: must be one of {', '.join(words)}")
