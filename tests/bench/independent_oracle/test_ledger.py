from __future__ import annotations

import json

import pytest

from bench.independent_oracle.ledger import Event, Record, epoch_ms, read

GOOD = {"patient_id": "p", "time": 1_767_225_600_000, "values": {}}
NOW_MS = 1_767_225_600_000


def value(**fields: object) -> bytes:
    return json.dumps(GOOD | fields).encode()


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        (b"p", None, "empty"),
        (b"p", value() + b" " * 70_000, "too_large"),
        (b"p", value()[:-1], "not_json"),
        (b"p", b"[]", "not_json"),
        (b"p", b"\xff", "invalid_utf8"),
        (b"p", value(values=3), "wrong_type"),
        (b"p", value(type="song"), "wrong_type"),
        (b"p", value()[:-1] + b', "time": 3}', "duplicate_key"),
        (b"p", value(patient_id=""), "no_patient"),
        (b"p ", value(patient_id="p "), "bad_patient"),
        (b"p", value(time=None), "no_time"),
        (b"p", value(time=1_767_225_600), "bad_time"),
        (b"p", value(time="20260101000000+0000"), "bad_time"),
        (None, value(), "no_key"),
        (b"q", value(), "key_mismatch"),
        (b"p", value(time=NOW_MS + 3_600_001), "future_time"),
    ],
)
def test_a_bad_record_has_its_reason(key: bytes | None, content: bytes | None, reason: str) -> None:
    reasons = read(Record(0, 0, NOW_MS, key, content), 3_600_000)
    assert isinstance(reasons, set)
    assert reason in reasons


def test_a_good_record_is_an_event() -> None:
    event = read(Record(0, 0, NOW_MS, b"p", value(values={"values": 1, "time": 2})), 0)
    assert isinstance(event, Event)
    assert (event.type, event.patient, event.time_ms) == ("observation", "p", NOW_MS)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01T01:30:00.5+01:30", 1_767_225_600_500),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01 00:00:00", None),
        (True, None),
    ],
)
def test_times(text: object, ms: int | None) -> None:
    assert epoch_ms(text) == ms
