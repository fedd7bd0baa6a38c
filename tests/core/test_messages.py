from __future__ import annotations

import re

import pytest

from streamer.core.alert_messages import Content
from streamer.core.messages import SOURCE, headers
from streamer.core.records import Record
from tests.support.event_stream import (
    VITAL_PHASES,
    Event,
    HeartRateModel,
    Stream,
    admission,
    discharge,
    observation,
)
from tests.support.small_models import POLICY

HEART = HeartRateModel()
COURSE: list[Event] = [
    admission(),
    observation(0.5, heart_rate=80, sbp=95, resp_rate=21, lactate=4.1),
    observation(1.25, heart_rate=102),
    observation(2, heart_rate=120),
    discharge(3),
]


def course() -> Stream:
    stream = Stream(HEART)
    stream.take(*COURSE)
    return stream


def test_a_risk_message_field_by_field() -> None:
    assert course().messages[0].content == {
        "patient_id": "p",
        "time": "2026-01-01T00:30:00Z",
        "bin": 0,
        "risk": 0.1192029,  # the sigmoid of -2
        "horizons": {"6h": 0.1192029, "24h": 0.1192029, "48h": 0.1192029},
        "threshold": 0.5,
        "positive": False,
        "news2": 4,
        "qsofa": 1,
        "data": {
            "hours_of_data": 1,
            "oldest_vital_minutes": 0,
            "values_missing": ["spo2", "temperature", "map", "wbc", "creatinine", "platelets",
                               "bilirubin_total"],
        },
        "last": {"heart_rate": [80.0, 0], "sbp": [95.0, 0], "resp_rate": [21.0, 0],
                 "lactate": [4.1, 0]},
        "model": "heart",
        "partition": 0,
        "offset": 1,
    }  # fmt: skip


def alerts_of(stream: Stream) -> list[Content]:
    """What vitals did to alerts."""
    return [m.content for m in stream.messages if m.content.get("phase") in VITAL_PHASES]


def test_an_alert_message_field_by_field() -> None:
    start, escalate, end = alerts_of(course())
    alert_id = "p/2026-01-01T01:15:00Z/1"
    assert start == {
        "alert_id": alert_id,
        "patient_id": "p",
        "time": "2026-01-01T01:15:00Z",
        "phase": "start",
        "severity": "medium",
        "risk": 0.549834,  # the sigmoid of 0.2
        "threshold": POLICY.medium,
        "horizon_hours": 6,
        "reasons": [{"variable": "heart_rate", "value": 102.0, "unit": "/min", "age_minutes": 0,
                     "direction": "high", "contribution": 1.2}],
        "news2": 5,
        "model": "heart",
        "partition": 0,
        "offset": 2,
        "revision": 1,
        "acknowledged": 0,
        "state": "open",
        "respond_by": "2026-01-01T01:45:00Z",
        "snoozed_until": None,
        "paused": False,
        "treated": None,
        "ward": None,
        "bed": None,
    }  # fmt: skip
    assert (escalate["phase"], escalate["severity"], escalate["offset"]) == ("escalate", "high", 3)
    assert (end["phase"], end["severity"], end["offset"]) == ("end", "high", 4)
    assert {a["alert_id"] for a in (start, escalate, end)} == {alert_id}
    assert start.keys() == escalate.keys() == end.keys() - {"reason"}
    assert end["reason"] == "discharge"


def test_positive_is_by_the_threshold_of_the_model_not_of_the_alert() -> None:
    stream = Stream(HEART)
    messages = stream.take(
        *(observation(i / 60, heart_rate=hr) for i, hr in enumerate([99.9, 100.0, 100.1]))
    )
    assert [m["positive"] for m in messages] == [False, False, True]


@pytest.mark.parametrize(
    "trace", [None, b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
)
def test_cloud_events_headers(trace: bytes | None) -> None:
    message = course().messages[1]
    read = Record(3, 77, 0, b"p", b"", trace)
    listed = headers(message, read)
    headers_by_name = dict(listed)
    assert len(headers_by_name) == len(listed)
    assert headers_by_name.pop("ce_id").startswith(b"risk/3/77")
    expected = {
        "ce_specversion": b"1.0",
        "ce_source": SOURCE,
        "ce_type": b"vigil.risk",
        "ce_time": b"2026-01-01T01:15:00Z",
        "ce_subject": b"p",
        "content-type": b"application/json",
    }
    assert headers_by_name == (expected if trace is None else {**expected, "traceparent": trace})


def test_ids_tell_every_message_apart_and_follow_from_the_input() -> None:
    """Even where one event ends the alert of a stay and starts another in the next."""
    stream = Stream(HEART)
    stream.take(
        admission(),
        observation(1, heart_rate=120),
        observation(500, heart_rate=120),
        discharge(501),
    )
    ids = [
        dict(headers(m, Record(0, m.content["offset"], 0, None, None)))["ce_id"]
        for m in stream.messages
    ]
    assert len(ids) == len(set(ids)) == 7, "one is overdue"
    assert all(re.fullmatch(rb"(risk|alert)/0/\d+/.+", headers_by_name) for headers_by_name in ids)


def test_the_bytes_are_utf_8_json() -> None:
    stream = Stream(HEART)
    stream.take(observation(0, "ü", heart_rate=88.0))
    assert (stream.messages[0].value or b"").startswith('{"patient_id":"ü","time":"2026'.encode())
