from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.core.events import MAX_VALUE_BYTES, EventRejected, Kind, milliseconds, parse
from streamer.core.reasons import Reason, ValueProblem


def event(leave_out: str = "", **fields: Any) -> bytes:
    content = {"patient_id": "p", "time": 1_000, "values": {}, **fields}
    content.pop(leave_out, None)
    return json.dumps(content).encode()


def raw(fields: bytes) -> bytes:
    """An observation with fields that `json` would not write."""
    return b'{"patient_id":"p","time":1000,"values":{},' + fields + b"}"


REFUSED: dict[str, tuple[bytes | None, bytes | None, Reason]] = {
    "no value": (None, b"p", Reason.EMPTY),
    "empty": (b"", b"p", Reason.NOT_JSON),
    "blank": (b"   ", b"p", Reason.NOT_JSON),
    "text": (b"hello", b"p", Reason.NOT_JSON),
    "cut off": (event()[:-1], b"p", Reason.NOT_JSON),
    "two objects": (event() + event(), b"p", Reason.NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + event(), b"p", Reason.NOT_JSON),
    "UTF-16": (event().decode().encode("utf-16"), b"p", Reason.INVALID_UTF8),
    "value not UTF-8": (raw(b'"source":"\xff"'), b"p", Reason.INVALID_UTF8),
    "value not UTF-8 in an id": (b'{"patient_id":"\xc3"}', b"\xc3", Reason.INVALID_UTF8),
    "value with an encoded surrogate": (raw(b'"ward":"\xed\xa0\x80"'), b"p", Reason.INVALID_UTF8),
    "key not UTF-8": (event(), b"\xff", Reason.INVALID_UTF8),
    "lone surrogate escape": (event(patient_id="\ud800"), b"p", Reason.NOT_JSON),
    "lone surrogate in a name": (event(values={"\udfff": 1}), b"p", Reason.NOT_JSON),
    "null": (b"null", b"p", Reason.WRONG_TYPE),
    "list": (b"[]", b"p", Reason.WRONG_TYPE),
    "number": (b"1", b"p", Reason.WRONG_TYPE),
    "empty object": (b"{}", b"p", Reason.NO_PATIENT),
    "nested too deeply": (b"[" * 60_000, b"p", Reason.NOT_JSON),
    "objects nested too deeply": (b'{"a":' * 10_000, b"p", Reason.NOT_JSON),
    "unknown field nested too deeply": (
        raw(b'"x":' + b"[" * 500 + b"]" * 500), b"p", Reason.NOT_JSON,
    ),
    "one byte too large": (event().ljust(MAX_VALUE_BYTES + 1), b"p", Reason.TOO_LARGE),
    "a megabyte": (event(source="x" * 1_000_000), b"p", Reason.TOO_LARGE),
    "null key": (event(), None, Reason.NO_KEY),
    "another key": (event(), b"q", Reason.KEY_MISMATCH),
    "empty key": (event(), b"", Reason.KEY_MISMATCH),
    "key of other normal form": (event(patient_id="e\u0301"), "é".encode(), Reason.KEY_MISMATCH),
    "key with a blank": (event(), b"p ", Reason.KEY_MISMATCH),
    "repeated patient, the last counts": (
        b'{"patient_id":"p","patient_id":"q","time":1,"values":{}}', b"p", Reason.KEY_MISMATCH,
    ),
    "no patient": (event("patient_id"), b"p", Reason.NO_PATIENT),
    "patient null": (event(patient_id=None), b"p", Reason.NO_PATIENT),
    "patient empty": (event(patient_id=""), b"", Reason.NO_PATIENT),
    "patient a number": (event(patient_id=7), b"7", Reason.WRONG_TYPE),
    "patient of 129 characters": (event(patient_id="x" * 129), b"x" * 129, Reason.NO_PATIENT),
    "patient of 200 characters": (event(patient_id="é" * 200), b"p", Reason.NO_PATIENT),
    "no time": (event("time"), b"p", Reason.NO_TIME),
    "time null": (event(time=None), b"p", Reason.NO_TIME),
    "time without offset": (event(time="2026-11-21T10:00:00"), b"p", Reason.BAD_TIME),
    "time a date": (event(time="2026-11-21"), b"p", Reason.BAD_TIME),
    "time empty": (event(time=""), b"p", Reason.BAD_TIME),
    "time in words": (event(time="now"), b"p", Reason.BAD_TIME),
    "time with digits of another script": (
        event(time="\uff12\uff10\uff12\uff16-11-21T10:00:00Z"), b"p", Reason.BAD_TIME,
    ),
    "time a float": (event(time=1000.5), b"p", Reason.BAD_TIME),
    "time a whole float": (event(time=1000.0), b"p", Reason.BAD_TIME),
    "time a bool": (event(time=True), b"p", Reason.BAD_TIME),
    "time a list": (event(time=[1]), b"p", Reason.BAD_TIME),
    "time NaN": (event(time=float("nan")), b"p", Reason.BAD_TIME),
    "time negative": (event(time=-1), b"p", Reason.BAD_TIME),
    "time before 1970": (event(time="1969-12-31T23:59:59.999Z"), b"p", Reason.BAD_TIME),
    "time huge": (event(time=10**30), b"p", Reason.BAD_TIME),
    "time of 4,400 digits": (
        b'{"patient_id":"p","values":{},"time":' + b"9" * 4_400 + b"}", b"p", Reason.NOT_JSON,
    ),
    "time after 9999": (event(time=253_402_300_800_000), b"p", Reason.BAD_TIME),
    "time at the end of the calendar, west": (
        event(time="9999-12-31T23:59:59-23:59"), b"p", Reason.BAD_TIME,
    ),
    "time at the start of the calendar, east": (
        event(time="0001-01-01T00:00:00+23:59"), b"p", Reason.BAD_TIME,
    ),
    "unknown type": (event(type="lunch"), b"p", Reason.WRONG_TYPE),
    "type null": (event(type=None), b"p", Reason.WRONG_TYPE),
    "no values": (event("values"), b"p", Reason.WRONG_TYPE),
    "values null": (event(values=None), b"p", Reason.WRONG_TYPE),
    "values a list": (event(values=[]), b"p", Reason.WRONG_TYPE),
    "value a string": (event(values={"heart_rate": "80"}), b"p", Reason.WRONG_TYPE),
    "value a bool": (event(values={"heart_rate": True}), b"p", Reason.WRONG_TYPE),
    "value an object": (event(values={"heart_rate": {}}), b"p", Reason.WRONG_TYPE),
    "units a list": (event(units=[]), b"p", Reason.WRONG_TYPE),
    "unit null": (event(units={"heart_rate": None}), b"p", Reason.WRONG_TYPE),
    "age a string": (event(type="admission", age="60"), b"p", Reason.WRONG_TYPE),
    "sex unknown to the contract": (event(type="admission", sex="m"), b"p", Reason.WRONG_TYPE),
    "icu type likewise": (event(type="admission", icu_type="MICU"), b"p", Reason.WRONG_TYPE),
    "medication without drug": (event(type="medication", action="start"), b"p", Reason.WRONG_TYPE),
    "medication without action": (event(type="medication", drug="x"), b"p", Reason.WRONG_TYPE),
    "medication with a class of its own": (
        event(type="medication", drug="x", action="start", **{"class": "tea"}),
        b"p", Reason.WRONG_TYPE,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "key", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_and_why(value: bytes | None, key: bytes | None, reason: Reason) -> None:
    with pytest.raises(EventRejected) as refused:
        parse(value, key)
    assert refused.value.reason is reason
    assert refused.value.detail
    refused.value.detail.encode()  # goes into a header


TAKEN: dict[str, tuple[bytes, str]] = {
    "128 characters": (event(patient_id="x" * 128), "x" * 128),
    "128 characters of four bytes": (event(patient_id="🛏" * 128), "🛏" * 128),
    "combining": (event(patient_id="e\u0301"), "e\u0301"),
    "right to left": (event(patient_id="\u202e\u05de\u05d8"), "\u202e\u05de\u05d8"),
    "NUL": (event(patient_id="a\0b"), "a\0b"),
    "surrogate pair escape": (event(patient_id="😀"), "😀"),
    "blank": (event(patient_id=" "), " "),
    "line break": (event(patient_id="a\nb"), "a\nb"),
    "the largest value": (event().ljust(MAX_VALUE_BYTES), "p"),
    "no type is an observation": (event("type"), "p"),
    "unknown fields": (event(color="blue", nested={"a": [1]}), "p"),
    "values that are not finite are judged later": (event(values={"ph": float("nan")}), "p"),
    "number of 400 digits likewise": (event(values={"ph": 10**400}), "p"),
    "discharge without values": (event("values", type="discharge"), "p"),
    "optional fields null": (
        event(units=None, source=None, event_id=None, received_time=None), "p",
    ),
    "repeated key, the last counts": (raw(b'"source":1,"source":"x"'), "p"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "patient"), TAKEN.values(), ids=TAKEN)
def test_what_is_taken(value: bytes, patient: str) -> None:
    assert parse(value, patient.encode())["patient"] == patient


@pytest.mark.parametrize("kind", Kind)
def test_types(kind: Kind) -> None:
    taken = parse(event(type=kind.name.lower(), drug="x", action="start"), b"p")
    assert taken["kind"] is kind
    assert taken["fields"]["drug"] == "x"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (0, 0),
        (253_402_300_799_999, 253_402_300_799_999),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000),
        ("2026-11-21T10:00:00Z", 1_795_255_200_000),
        ("2026-11-21T15:30:00+05:30", 1_795_255_200_000),
        ("2026-11-21T02:00:00-08:00", 1_795_255_200_000),
        ("2026-11-21T10:00:00-00:00", 1_795_255_200_000),
        ("2026-11-21 10:00:00Z", 1_795_255_200_000),
        ("2026-11-21T10:00:00.1Z", 1_795_255_200_100),
        ("2026-11-21T10:00:00.1239999Z", 1_795_255_200_123),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("1969-12-31T23:00:00-01:00", 0),
    ],
)
def test_times(time: str | int, expected: int) -> None:
    assert milliseconds(time) == expected


def test_every_reason_has_a_sentence_and_the_names_are_not_shared() -> None:
    assert all(reason.sentence.endswith(".") for reason in Reason)
    assert len({reason.sentence for reason in Reason}) == len(Reason)
    assert not {r.value for r in Reason} & {p.value for p in ValueProblem}
