"""Batch decoding equals the careful parser on the same bytes, whatever they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.core.columns import Columns, decode
from streamer.core.events import Kind
from streamer.core.observations import Observation, read_plain
from streamer.core.records import Record

HOUR_MS: Final = 3_600_000


def read_nothing(
    values: Sequence[bytes | None], _keys: Sequence[bytes | None]
) -> tuple[list[Observation | None], NDArray[np.int64]]:
    """Is never sure, so that every event is parsed."""
    return [None] * len(values), np.zeros(len(values), np.int64)


def sure_of(records: Sequence[Record]) -> list[Observation | None]:
    return read_plain([record.value for record in records], [record.key for record in records])[0]


def columns_as_plain(columns: Columns) -> dict[str, object]:
    """All of the columns, to compare bit by bit."""
    return {
        name: (value.dtype, value.tobytes()) if isinstance(value, np.ndarray) else value
        for name in Columns.__slots__
        for value in (getattr(columns, name),)
    }


def assert_same(records: list[Record], future_limit_ms: int | None = HOUR_MS) -> None:
    at_once = decode(records, future_limit_ms)
    one_by_one = decode(records, future_limit_ms, read_nothing)
    assert repr(columns_as_plain(at_once)) == repr(columns_as_plain(one_by_one))  # NaN equals NaN


NAMES = st.sampled_from(
    ["patient_id", "time", "type", "values", "units", "event_id", "source", "received_time", "age",
     "sex", "icu_type", "hours_since_hospital_admission", "ward", "bed", "drug", "class", "action",
     "dose", "unit", "heart_rate", "temperature", "mood", "", "x", "Time", "pati\\u0065nt_id"],
)  # fmt: skip
NUMBERS = st.sampled_from(
    ["0", "-0", "-0.0", "1", "80", "98.6", "0.21", "21", "1e2", "1E+2", "1e-400", "1e400", "-1e400",
     "NaN", "Infinity", "-Infinity", "nan", "01", "1.", ".5", "+1", "-", "1e", "0x10", "1_000",
     "9007199254740993", "18446744073709551616", "1795255200000", "1795255200000.0", "9" * 30,
     "253402300799999", "253402300800000", "-1", "9" * 400, "9" * 4_300, "9" * 4_301,
     "0." + "3" * 400, "1" + "0" * 308, "1" + "0" * 309, "2.2250738585072011e-308", "5e-324"],
)  # fmt: skip
TIMES = st.sampled_from(
    ["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.250Z", "2026-11-21t10:00:00z",
     "2026-11-21T15:30:00+05:30", "2026-11-21T15:30:00.123-00:00", "2026-11-21T10:00:00.123456Z",
     "2026-11-21T10:00:00,123Z", "2026-11-21 10:00:00Z", "2026-11-21T10:00:00",
     "2026-02-29T10:00:00Z", "2024-02-29T10:00:00.000Z", "2026-11-21T24:00:00Z",
     "2026-11-21T23:59:60Z", "20261121100000+0000",
     "2026-W47-6T10:00:00Z", "2026-325T10:00:00Z", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
     "9999-12-31T23:59:59-23:59", "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00\u20110:00",
     "2026-11-21T10:00:00.1Z", "2026-11-21T10:00:00+0530", "2026-11-21T10:00Z", "now", "",
     "2026-11-21T10:00:00+05:3\u0660", "2026-11-21T10:00:00.250,05:30"],
)  # fmt: skip
STRINGS = st.one_of(
    TIMES,
    st.sampled_from(
        ["p", "q", "", " ", "x" * 128, "x" * 129, "é" * 70, "mm[Hg]", "[degF]", "%", "observation",
         "admission", "discharge", "medication", "lunch", "female", "m", "other", "start", "rate"],
    ),
    st.text(max_size=8),
).map(json.dumps)  # fmt: skip
RAW_STRINGS = st.sampled_from(
    ['"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\ud83d\\u0041"',
     '"\\ude00\\ud83d"', '"\\u00e9"', '"é"',
     '"\U0001f6cf"', '"\\x"', '"\\u12"', '"a\tb"', '"a\x01b"', '"\\/"', '"\x7f"', '"\\u0000"',
     "'p'", '"p', '"\u2028"'],
)  # fmt: skip
SCALARS = st.one_of(
    NUMBERS, STRINGS, RAW_STRINGS, st.sampled_from(["true", "false", "null", "tru"])
)


def _objects(content: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(NAMES, content).map(lambda pair: f'"{pair[0]}":{pair[1]}')
    return st.lists(pairs, max_size=5).map(lambda fields: "{" + ",".join(fields) + "}")


ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        _objects(inner), st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
    ),
    max_leaves=6,
) | st.sampled_from(
    ["[" * depth + "]" * depth for depth in (3, 90, 150, 190, 199, 200, 201, 250, 1_500)]
    + ['{"a":' * depth + "1" + "}" * depth for depth in (90, 199, 201)]
)
GOOD_NUMBERS = st.sampled_from(
    ["80", "36.6", "null", "-0.0", "1e1", "0.4", "7", "120"] * 3
    + ["NaN", "1e400", '"<0.01"', '">90"', '"7,4"', "true", "[]", "{}"]
)


def _numbers(names: Sequence[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(st.sampled_from(names), GOOD_NUMBERS)
    fields = st.lists(pairs.map(lambda pair: f'"{pair[0]}":{pair[1]}'), max_size=6)
    return fields.map(lambda fields: "{" + ",".join(fields) + "}")


VALUES = _numbers(["heart_rate", "temperature", "ph", "fio2", "mood", "lactate"])
UNITS = st.sampled_from(
    [
        "null",
        "{}",
        "[]",
        '{"ph":7}',
        '{"ph":null}',
        '{"temperature":"[degF]"}',
        '{"lactate":"mg/dL","ph":"K"}',
        '{"mood":"x"}',
    ]
)
PATIENTS = st.sampled_from(
    ['"p"'] * 8 + ['"q"', '"é"', '"\\u0070"', "7", '""', "null", '" p"', '"p\\u200d"', '"p\u202e"']
)
SPACES = st.sampled_from([""] * 12 + [" ", "\n", "\t ", "\r\n", "\x0b", "\ufeff", "\xa0"])
GOOD_TIMES = st.sampled_from(
    ["1795255200000", '"2026-11-21T10:00:00Z"', '"2026-11-21T09:00:00.5Z"']
)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """The text of an event, good or nearly so: fields in any order, doubled, odd or left out."""
    fields = [
        ("patient_id", draw(PATIENTS)),
        ("time", draw(GOOD_TIMES | TIMES.map(json.dumps) | NUMBERS)),
    ]
    fields.append(("values", draw(VALUES)))
    if draw(st.booleans()):
        fields.append(("units", draw(UNITS)))
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["observation", "observation", "admission", "discharge"]))
        fields.append(("type", f'"{kind}"'))
    if draw(st.booleans()):
        fields += draw(st.lists(st.tuples(NAMES, SCALARS | ANYTHING), max_size=2))
    fields = draw(st.permutations(fields))
    for _ in range(draw(st.sampled_from([0] * 8 + [1]))):
        fields.pop(draw(st.integers(0, len(fields) - 1)))
    space = draw(SPACES)
    text = f",{space}".join(f'"{name}"{space}:{content}' for name, content in fields)
    whole = f"{space}{{{text}}}{draw(SPACES)}"
    return whole.encode(errors="surrogatepass")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An event with some bytes changed, cut out, put in or repeated."""
    value = bytearray(draw(events()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        match draw(st.integers(0, 3)):
            case 0:
                value[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del value[at : at + draw(st.integers(1, 4))]
            case 2:
                value[at:at] = draw(st.sampled_from([b'"', b"\\", b"\xff", b"\xc3", b",", b"{}"]))
            case _:
                value[at:at] = value[at : at + draw(st.integers(1, 20))]
    return bytes(value)


KEYS = st.sampled_from([b"p"] * 12 + ["é".encode(), b"", b"\xff", None])
ANY_VALUES = st.one_of(events(), events(), mutated(), st.binary(max_size=30), st.none())


@given(st.lists(st.tuples(ANY_VALUES, KEYS), min_size=1, max_size=4))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_at_once_as_one_by_one(messages: list[tuple[bytes | None, bytes | None]]) -> None:
    assert_same([Record(0, i, 1_795_255_200_000, k, v) for i, (v, k) in enumerate(messages)])


def event(**fields: Any) -> bytes:
    content = {"patient_id": "p", "time": 1_795_255_200_000, "values": {"heart_rate": 80}, **fields}
    return json.dumps(content, ensure_ascii=False).encode()


PLAIN = {
    "as it comes": event(),
    "time as text": event(time="2026-11-21T10:00:00Z"),
    "with units and a null": event(values={"ph": None, "map": 8}, units={"map": "kPa"}),
    "all the common fields": event(type="observation", event_id="7", source="x", received_time=1),
    "fields that are not known": event(device={"id": 7, "wards": ["A", "B"]}, color=None),
    "beyond ASCII": event(source="Überwachung", note="心拍"),
    "what is not used is not judged": event(received_time=1.5e9, bed=3, age="60", source=["x"]),
    "long": event(event_id="x" * 3_000),
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_what_is_plain_is_decoded_at_once(value: bytes) -> None:
    record = Record(0, 0, 0, b"p", value)
    (observation,), time_ms = read_plain([value], [b"p"])
    assert observation is not None
    assert time_ms.tolist() == [1_795_255_200_000]
    assert_same([record])


DOUBTFUL = {
    "not read and not UTF-8": event()[:-1] + b',"x":"\xff"}',
    "a name not read and not UTF-8": event()[:-1] + b',"\xff":1}',
    "an encoded surrogate": event()[:-1] + b',"x":"\xed\xa0\x80"}',
    "not read and deep": event()[:-1] + b',"x":' + b"[" * 250 + b"]" * 250 + b"}",
    "not read and many digits": event()[:-1] + b',"x":' + b"9" * 4_400 + b"}",
    "NaN": event(values={"ph": float("nan")}),
    "beyond a float": event()[:-1] + b',"values":{"ph":1e999}}',
    "an admission": event(type="admission"),
    "a value that is no number": event(values={"ph": True}),
    "a censored value": event(values={"ph": "<7"}),
    "a unit that is no text": event(units={"ph": 3}),
    "an id with an invisible character": event(patient_id="p\u200b"),
    "an id with a blank behind": event(patient_id="p "),
    "seconds": event(time=1_795_255_200),
    "the digits of a date": event(time=20261121100000),
    "an escaped key": event()[:-1] + b',"pati\\u0065nt_id":"p"}',
    "a variable named as a key": event(values={"time": 3}),
    "no time": event(time="now"),
    "huge time": event(time=10**30),
    "a patient twice": event()[:-1] + b',"patient_id":"p"}',
    "a time twice": event()[:-1] + b',"time":1795255200000}',
    "a type twice": event(type="observation")[:-1] + b',"type":"observation"}',
    "values twice": event()[:-1] + b',"values":{}}',
    "nothing": None,
}


@pytest.mark.parametrize("value", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_is_doubtful_is_parsed(value: bytes | None) -> None:
    records = [Record(0, 0, 0, b"p", value)]
    assert read_plain([value], [b"p"])[0] == [None]
    assert_same(records)
    among_others = [Record(0, i, 0, b"p", event()) for i in range(100)]
    among_others[50] = records[0]
    assert [i for i, one in enumerate(sure_of(among_others)) if one is None] == [50]
    assert_same(among_others, None)


@pytest.mark.parametrize("depth", [90, 150, 178, 179, 190, 197, 198, 199, 200, 201])
def test_depth_is_where_the_parser_draws_it(depth: int) -> None:
    value = (
        b'{"patient_id":"p","time":1795255200000,"values":{},"x":'
        + b"[" * depth
        + b"]" * depth
        + b"}"
    )
    assert_same([Record(0, 0, 0, b"p", value)])


def test_a_large_batch_of_all_kinds_of_times() -> None:
    texts = [
        "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.250Z", "2026-11-21T15:30:00+05:30",
        "2026-11-21T02:00:00.123456-08:00", "2026-11-21 10:00:00Z", "2026-11-21T10:00:00.1Z", "now",
    ]  # fmt: skip
    records = [Record(0, i, 0, b"p", event(time=texts[i % len(texts)])) for i in range(300)]
    assert_same(records, None)
    assert len(decode(records, None).rejections) == 300 // len(texts)
    assert_same([*records, Record(0, 300, 0, b"p", event(time="2026-02-30T10:00:00Z"))], None)


def test_kinds_keep_their_places_among_what_is_refused() -> None:
    values = [event(), b"{", event(type="admission", age=3), event(), event(type="discharge")]
    records = [Record(0, i, 1_795_255_200_000, b"p", value) for i, value in enumerate(values)]
    columns = decode(records, HOUR_MS)
    assert columns.record.tolist() == [0, 2, 3, 4]
    assert columns.kind.tolist() == [0, Kind.ADMISSION, 0, Kind.DISCHARGE]
    assert {e: fields.get("age") for e, fields in columns.details.items()} == {1: 3.0, 3: None}
    assert columns.cell_start.tolist() == [0, 1, 1, 2, 2]
    assert_same(records)
