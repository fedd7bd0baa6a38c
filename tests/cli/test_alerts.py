from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streamer.cli import alerts
from streamer.service.settings import Settings

ALERT = {
    "time": "2026-11-21T10:00:00Z", "phase": "start", "severity": "medium", "patient_id": "p1",
    "risk": 0.314, "threshold": 0.18, "horizon_hours": 6, "news2": 7,
    "reasons": [{"variable": "lactate", "value": 4.1, "unit": "mmol/L", "direction": "high",
                 "age_minutes": 25}],
}  # fmt: skip


def test_an_alert_is_one_line_for_people() -> None:
    assert alerts.readable(json.dumps(ALERT).encode()) == (
        "2026-11-21T10:00:00Z  start     medium p1           sepsis within 6 h: 31.4% "
        "(alert above 18.0%)  NEWS2 7  lactate 4.1 mmol/L (high, 25 min)"
    )


def test_without_reasons_and_score_the_line_is_shorter() -> None:
    line = alerts.readable(json.dumps(ALERT | {"reasons": [], "news2": None}).encode())
    assert line.endswith("(alert above 18.0%)  NEWS2 -")


@pytest.mark.parametrize("from_beginning", [False, True])
def test_the_alert_topic_is_followed_as_it_is_or_readable(
    monkeypatch: pytest.MonkeyPatch, from_beginning: bool
) -> None:
    value = json.dumps(ALERT).encode()

    def follow(_connection: Any, topic: str, _stop: Any, **options: bool) -> Iterator[bytes]:
        assert (topic, options) == ("alerts", {"from_beginning": from_beginning})
        yield value

    monkeypatch.setattr(alerts, "follow", follow)
    stop = threading.Event()
    lines = [
        list(
            alerts.follow_alerts(
                Settings(), from_beginning=from_beginning, as_json=as_json, stop=stop
            )
        )
        for as_json in (True, False)
    ]
    assert lines == [[value.decode()], [alerts.readable(value)]]
