from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.core.events import MAX_VALUE_BYTES, EventRejected, Kind, parse
from streamer.core.reasons import Reason, ValueProblem

NOW_MS = 1_795_255_200_000


def event(leave_out: str = "", **fields: Any) -> bytes:
    content = {"patient_id": "p", "time": NOW_MS, "values": {}, **fields}
    content.pop(leave_out, None)
    return json.dumps(content).encode()


def raw(fields: bytes) -> bytes:
    """An observation with fields that `json` would not write."""
    return b'{"patient_id":"p","time":1795255200000,"values":{},' + fields + b"}"


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
    "patient twice": (raw(b'"patient_id":"p"'), b"p", Reason.DUPLICATE_KEY),
    "another patient later": (raw(b'"patient_id":"q"'), b"q", Reason.DUPLICATE_KEY),
    "patient twice, once escaped": (raw(b'"pati\\u0065nt_id":"p"'), b"p", Reason.DUPLICATE_KEY),
    "time twice": (raw(b'"time":1795255200001'), b"p", Reason.DUPLICATE_KEY),
    "type twice": (raw(b'"type":"observation","type":"discharge"'), b"p", Reason.DUPLICATE_KEY),
    "values twice": (raw(b'"values":{"ph":7}'), b"p", Reason.DUPLICATE_KEY),
    "patient a blank": (event(patient_id=" "), b" ", Reason.BAD_PATIENT),
    "patient with a blank before": (event(patient_id=" p"), b" p", Reason.BAD_PATIENT),
    "patient with a wide blank behind": (
        event(patient_id="p\u3000"), "p\u3000".encode(), Reason.BAD_PATIENT,
    ),
    "patient with NUL": (event(patient_id="a\0b"), b"a\0b", Reason.BAD_PATIENT),
    "patient with ESC": (event(patient_id="a\x1b[2Jb"), b"a\x1b[2Jb", Reason.BAD_PATIENT),
    "patient with a C1 control": (
        event(patient_id="a\x9bb"), "a\x9bb".encode(), Reason.BAD_PATIENT,
    ),
    "patient with a line break": (event(patient_id="a\nb"), b"a\nb", Reason.BAD_PATIENT),
    "patient with a line separator": (
        event(patient_id="a\u2028b"), "a\u2028b".encode(), Reason.BAD_PATIENT,
    ),
    "patient written right to left by force": (
        event(patient_id="\u202e\u05de"), "\u202e\u05de".encode(), Reason.BAD_PATIENT,
    ),
    "patient with a zero-width joiner": (
        event(patient_id="a\u200db"), "a\u200db".encode(), Reason.BAD_PATIENT,
    ),
    "patient with a soft hyphen": (
        event(patient_id="a\xadb"), "a\xadb".encode(), Reason.BAD_PATIENT,
    ),
    "patient with a byte order mark": (
        event(patient_id="\ufeffp"), "\ufeffp".encode(), Reason.BAD_PATIENT,
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
    "units a list": (event(units=[]), b"p", Reason.WRONG_TYPE),
    "medication with a drug that is no text": (
        event(type="medication", drug=7, action="start"), b"p", Reason.WRONG_TYPE,
    ),
    "medication with an action of its own": (
        event(type="medication", drug="x", action="pour"), b"p", Reason.WRONG_TYPE,
    ),
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
    "right to left": (event(patient_id="\u05de\u05d8"), "\u05de\u05d8"),
    "a blank within": (event(patient_id="ward 7 \xa0bed 2"), "ward 7 \xa0bed 2"),
    "a letter of no known script": (event(patient_id="a\U000e0fffb"), "a\U000e0fffb"),
    "surrogate pair escape": (event(patient_id="😀"), "😀"),
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
    "a variable that is named as a key": (event(values={"time": 1, "values": 2}), "p"),
    "what is not used is not judged": (
        event(received_time=1.5e9, source=["x"], event_id={}, age="old", drug=7, bed=3), "p",
    ),
    "values that are no numbers cost themselves": (
        event(values={"ph": "7,4", "map": True, "sbp": [], "dbp": {}, "lactate": "<0.3"}), "p",
    ),
    "a unit that is null": (event(values={"ph": 7}, units={"ph": None, "map": 8}), "p"),
    "particulars of an admission cost themselves": (
        event(type="admission", age="> 89", sex="M", icu_type=7, ward=["A"], bed=12), "p",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "patient"), TAKEN.values(), ids=TAKEN)
def test_what_is_taken(value: bytes, patient: str) -> None:
    assert parse(value, patient.encode())["patient"] == patient


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ACTION])
def test_types(kind: Kind) -> None:
    taken = parse(event(type=kind.name.lower(), drug="x", action="start"), b"p")
    assert taken["kind"] is kind
    assert taken["fields"]["drug"] == "x"


def test_every_reason_has_a_sentence_and_the_names_are_not_shared() -> None:
    assert all(reason.sentence.endswith(".") for reason in Reason)
    assert len({reason.sentence for reason in Reason}) == len(Reason)
    assert all(problem.sentence.endswith(".") for problem in ValueProblem)
    assert not {r.value for r in Reason} & {p.value for p in ValueProblem}
