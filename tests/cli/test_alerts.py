from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from streamer.cli import alerts
from streamer.core.alerts import Phase
from streamer.core.answers import RESPONSE_PHASES
from streamer.core.model import IN_THIS_STAY
from streamer.service.model_facts import ModelFacts, ModelShelf
from streamer.service.settings import Settings

ALERT = {
    "time": "2026-11-21T10:00:00Z", "phase": "start", "severity": "medium", "patient_id": "p1",
    "risk": 0.314, "threshold": 0.18, "horizon_hours": 6, "news2": 7,
    "reasons": [{"variable": "lactate", "value": 4.1, "unit": "mmol/L", "direction": "high",
                 "age_minutes": 25}],
}  # fmt: skip


def readable(content: Mapping[str, object]) -> str:
    return alerts.readable(alerts.read(json.dumps(content).encode()))


def test_an_alert_is_one_line_for_people() -> None:
    assert readable(ALERT) == (
        "2026-11-21T10:00:00Z  start         medium p1           sepsis within 6 h: 31.4% "
        "(alert above 18.0%)  NEWS2 7  lactate 4.1 mmol/L (high, 25 min)"
    )


def test_without_reasons_and_score_the_line_is_shorter() -> None:
    line = readable(ALERT | {"reasons": [], "news2": None})
    assert line.endswith("(alert above 18.0%)  NEWS2 -")


def test_what_a_person_did_about_an_alert_has_no_risk() -> None:
    act = {"time": "2026-11-21T10:05:00Z", "phase": "acknowledge", "patient_id": "p1"}
    assert readable(act) == (
        "2026-11-21T10:05:00Z  acknowledge   -      p1           sepsis within 6 h: -  NEWS2 -"
    )


def test_a_line_says_what_the_risk_of_its_model_is_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"aaaa": ModelFacts(outcome="death in hospital"), "bbbb": ModelFacts()}
    asked: list[str] = []

    def read(_shelf: ModelShelf, model: str) -> ModelFacts:
        asked.append(model)
        return facts[model]

    def follow(*_: object, **_options: bool) -> Iterator[bytes | None]:
        for model in ("aaaa", "aaaa", "bbbb", None):
            yield json.dumps(ALERT | {"model": model}).encode()

    monkeypatch.setattr(alerts, "is_there", lambda *_: True)
    monkeypatch.setattr(alerts, "follow", follow)
    monkeypatch.setattr(ModelShelf, "read", read)
    alerts.show_alerts(Settings(), from_beginning=True, as_json=False, stop=threading.Event())
    lines = [line.split("p1           ")[1] for line in capsys.readouterr().out.splitlines()]
    assert [line.split(" within")[0] for line in lines] == [
        "death in hospital", "death in hospital", "risk", "sepsis",
    ]  # fmt: skip
    assert asked == ["aaaa", "bbbb"]


def test_an_outcome_of_the_whole_stay_has_no_horizon() -> None:
    alert = alerts.read(json.dumps(ALERT).encode())
    line = alerts.readable(alert, f"death in hospital{IN_THIS_STAY}")
    assert "death in hospital in this stay: 31.4% (alert above 18.0%)" in line


def test_what_a_person_said_is_on_the_line() -> None:
    act = {"time": "2026-11-21T10:05:00Z", "patient_id": "p1", "by": {"user": "a.nurse"}}
    judged = readable(act | {"phase": "feedback", "verdict": "false", "note": "drain"})
    assert judged.endswith("by a.nurse  verdict: false  'drain'")
    snoozed = readable(act | {"phase": "snooze", "minutes": 15, "reason": "busy"})
    assert snoozed.endswith("by a.nurse  15 min  busy")


def test_the_phases_stand_in_one_column() -> None:
    phases = (*(phase.name for phase in Phase), *RESPONSE_PHASES)
    assert max(map(len, phases)) == alerts._PHASE


NO_ALERTS = (
    None, b"", b"\xff", b"{}", b"[1]", b'{"time": 1, "phase": "start", "patient_id": "p1"}',
    b"[" * 100_000, json.dumps(ALERT | {"reasons": [{}]}).encode(), b'{"time": "\xff"}',
)  # fmt: skip


@pytest.mark.parametrize("from_beginning", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_the_topic_is_followed_past_records_that_are_no_alerts(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    from_beginning: bool,
    as_json: bool,
) -> None:
    value = json.dumps(ALERT).encode()

    def follow(_connection: Any, topic: str, _stop: Any, **options: Any) -> Iterator[bytes | None]:
        assert (topic, options["from_beginning"]) == ("alerts", from_beginning)
        yield value
        yield from NO_ALERTS
        options["note"]("no broker answers")
        options["note"]("")
        yield value

    monkeypatch.setattr(alerts, "follow", follow)
    monkeypatch.setattr(alerts, "is_there", lambda *_: True)
    alerts.show_alerts(
        Settings(), from_beginning=from_beginning, as_json=as_json, stop=threading.Event()
    )
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [json.dumps(ALERT) if as_json else readable(ALERT)] * 2
    *no_alerts, away, back = shown.err.splitlines()
    assert sum("is no alert" in line for line in no_alerts) == len(no_alerts) == len(NO_ALERTS)
    assert (away, back) == ("No alert can come now. no broker answers", "Kafka answers again.")


def test_a_missing_topic_is_named_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that it has when it is made is new."""
    answers = iter((False, False, True))
    monkeypatch.setattr(alerts, "is_there", lambda *_: next(answers))
    monkeypatch.setattr(alerts, "_LOOK_AGAIN_S", 0)

    def follow(*_: Any, **options: Any) -> Iterator[bytes]:
        assert options["from_beginning"]
        yield json.dumps(ALERT).encode()

    monkeypatch.setattr(alerts, "follow", follow)
    alerts.show_alerts(Settings(), from_beginning=False, as_json=False, stop=threading.Event())
    shown = capsys.readouterr()
    assert shown.out.strip() == readable(ALERT)
    assert shown.err.count("Topic alerts is missing") == 1
    assert "`streamer topics`" in shown.err


def test_a_missing_topic_is_waited_for_until_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "is_there", lambda *_: False)
    stop = threading.Event()
    stop.set()
    alerts.show_alerts(Settings(), from_beginning=False, as_json=False, stop=stop)
