"""The events of the `vitals` topic: a record's bytes to a checked event, or the reason why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from streamer.core.rejections import Reason
from streamer.core.time import LATEST_MS

MAX_VALUE_BYTES: Final = 64 * 1024
MAX_PATIENT_ID: Final = 128
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Kind(IntEnum):
    """The types of event."""

    OBSERVATION = 0
    ADMISSION = 1
    DISCHARGE = 2
    MEDICATION = 3


_KINDS: Final = {kind.name.lower(): kind for kind in Kind}


# Functional form, since `class` is a keyword. Fields that are not named here are ignored.
WireEvent = TypedDict(
    "WireEvent",
    {
        "type": NotRequired[Literal["observation", "admission", "discharge", "medication"]],
        "patient_id": NotRequired[str | None],
        "time": NotRequired[str | int | None],
        "event_id": NotRequired[str | int | None],
        "source": NotRequired[str | None],
        "received_time": NotRequired[str | int | None],
        "values": NotRequired[dict[str, float | None]],
        "units": NotRequired[dict[str, str] | None],
        "age": NotRequired[float | None],
        "sex": NotRequired[Literal["female", "male", "other", "unknown"] | None],
        "icu_type": NotRequired[Literal["medical", "surgical", "other", "unknown"] | None],
        "hours_since_hospital_admission": NotRequired[float | None],
        "ward": NotRequired[str | None],
        "bed": NotRequired[str | None],
        "drug": NotRequired[str],
        "class": NotRequired[Literal["antibiotic", "vasopressor", "fluid", "other"] | None],
        "action": NotRequired[Literal["start", "stop", "rate", "bolus"]],
        "dose": NotRequired[float | None],
        "unit": NotRequired[str | None],
    },
)
with_config(ConfigDict(strict=True))(WireEvent)

_VALIDATOR: Final = TypeAdapter(WireEvent).validator
_REQUIRED: Final = {
    Kind.OBSERVATION: ("values",),
    Kind.ADMISSION: (),
    Kind.DISCHARGE: (),
    Kind.MEDICATION: ("drug", "action"),
}


class Refused(ValueError):
    """An event that cannot be taken: ``reason`` for machines, ``detail`` for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Event(TypedDict):
    """A checked event: whose, when, what; ``fields`` is what it carried."""

    patient: str
    time_ms: int
    kind: Kind
    fields: dict[str, Any]


def parse(value: bytes | None, key: bytes | None) -> Event:
    """Checks one record of the `vitals` topic.

    Args:
        value: the record's value, JSON.
        key: the record's key, which must be the patient id in UTF-8.

    Raises:
        Refused: with the reason; values and their units are not judged here.
    """
    if value is None:
        raise Refused(Reason.EMPTY, "the record has no value")
    if len(value) > MAX_VALUE_BYTES:
        raise Refused(Reason.TOO_LARGE, f"{len(value)} bytes, at most {MAX_VALUE_BYTES}")
    try:
        fields: dict[str, Any] = _VALIDATOR.validate_json(value)
    except ValidationError as error:
        raise _refused(value, error) from None
    patient = fields.get("patient_id")
    if not patient or len(patient) > MAX_PATIENT_ID:
        raise Refused(Reason.NO_PATIENT, f"patient_id must have 1 to {MAX_PATIENT_ID} characters")
    if key is None:
        raise Refused(Reason.NO_KEY, "the record's key must be the patient id")
    try:
        owner = key.decode()
    except UnicodeDecodeError as bad:
        raise Refused(Reason.INVALID_UTF8, f"byte {bad.start} of the key") from None
    if owner != patient:
        raise Refused(Reason.KEY_MISMATCH, f"the key is not the patient id ({len(key)} bytes)")
    time_ms = milliseconds(fields.get("time"))
    kind = _KINDS[fields.get("type", "observation")]
    for name in _REQUIRED[kind]:
        if name not in fields:
            raise Refused(Reason.WRONG_TYPE, f"{name}: required for type {kind.name.lower()}")
    return {"patient": patient, "time_ms": time_ms, "kind": kind, "fields": fields}


def milliseconds(time: str | int | None) -> int:
    """Returns epoch milliseconds of an event's ``time`` field.

    >>> milliseconds("1970-01-01T01:00:00.250+01:00"), milliseconds(42)
    (250, 42)

    Raises:
        Refused: when it is absent, has no offset, or is no time at all.
    """
    if time is None:
        raise Refused(Reason.NO_TIME, "time is required")
    if isinstance(time, str):
        try:
            moment = datetime.fromisoformat(time.upper())  # RFC 3339 allows a small t and z
        except ValueError:
            raise Refused(Reason.BAD_TIME, "time is not RFC 3339") from None
        if moment.tzinfo is None:
            raise Refused(Reason.BAD_TIME, "time has no offset; end it with Z or +hh:mm")
        time = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= time <= LATEST_MS:
        raise Refused(Reason.BAD_TIME, "time is not between the years 1970 and 9999")
    return time


def _refused(value: bytes, error: ValidationError) -> Refused:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "json_invalid":
        if place.startswith("time"):
            return Refused(Reason.BAD_TIME, "time must be a string or integer milliseconds")
        return Refused(Reason.WRONG_TYPE, f"{place or 'event'}: {first['msg']}")
    try:
        value.decode()
    except UnicodeDecodeError as bad:
        return Refused(Reason.INVALID_UTF8, f"byte {bad.start} is not valid UTF-8")
    return Refused(Reason.NOT_JSON, first["msg"])
