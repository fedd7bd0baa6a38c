"""Every example of docs/sending.md is taken by `Monitor` and does what its section promises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from streamer.core.events import EventRejected
from streamer.monitor import Monitor
from streamer.service.settings import Settings
from tests.support.event_stream import Event
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/sending.md").read_text()
TITLES = re.split(r"^##+ (.+)$", PAGE, flags=re.MULTILINE)
EXAMPLES: dict[str, list[Event]] = {
    title: [json.loads(line) for block in blocks for line in block.splitlines()]
    for title, text in zip(TITLES[1::2], TITLES[2::2], strict=True)
    if (blocks := re.findall(r"```json\n(.*?)```", text, re.DOTALL))
}


def section(words: str) -> list[Event]:
    (events,) = [events for title, events in EXAMPLES.items() if words in title]
    return events


def without(events: Sequence[Event], *indices: int) -> list[Event]:
    return [event for i, event in enumerate(events) if i not in indices]


def last_risk(events: Sequence[Mapping[str, Any]], patient: str | None = None) -> Any:
    monitor = Monitor(risk_interval_s=0)
    messages, rejections = monitor.update_many(events)
    assert not rejections
    assert not monitor.problems
    risks = [m for m in messages if "bin" in m and patient in (None, m["patient_id"])]
    return risks[-1]["bin"], risks[-1]["horizons"]


def test_the_page_has_an_example_for_each_kind_of_message() -> None:
    for words in ("ORU^R01", "corrected", "withdrawn", "A01", "A02", "A03", "A08", "A11", "A12",
                  "A13", "A40", "Drugs", "Answers"):  # fmt: skip
        assert any(words in title for title in EXAMPLES), words


@pytest.mark.parametrize("title", EXAMPLES)
def test_no_example_is_rejected_and_no_value_of_it_is_lost(title: str) -> None:
    monitor = Monitor(risk_interval_s=0)
    _, rejections = monitor.update_many(EXAMPLES[title])
    assert not rejections
    assert set(monitor.problems) <= {"censored"}


def test_the_first_event_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of the page, with a producer that keeps what it is given."""
    sent: list[tuple[str, bytes, bytes]] = []

    class Producer:
        def __init__(self, *, bootstrap_servers: str) -> None:
            assert bootstrap_servers == Settings().kafka_bootstrap_servers

        def send(self, topic: str, *, key: bytes, value: bytes) -> None:
            sent.append((topic, key, value))

        def flush(self) -> None:
            assert sent

    monkeypatch.setattr("kafka.KafkaProducer", Producer)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    ((topic, key, value),) = sent
    monitor = Monitor()
    risk, *_ = monitor.update(json.loads(value))
    assert (topic, key) == ("vitals", risk["patient_id"].encode())
    assert not monitor.problems


def test_an_admission_in_place_of_a_transfer_forgets_the_hours_before() -> None:
    admission, before, transfer, after = section("A02")
    again = admission | {"time": transfer["time"]}
    messages, _ = Monitor(risk_interval_s=0).update_many([admission, before, again, after])
    assert messages[-1]["bin"] == 0
    with pytest.raises(EventRejected, match="before_admission"):
        monitor = Monitor()
        for event in (admission, again, before):
            monitor.update(event)


def test_data_of_a_day_after_a_discharge_go_on_with_the_stay() -> None:
    """A limit that the README names."""
    admission, before, discharge, _ = section("A03")
    after = before | {"time": "2026-11-22T12:00:00Z"}
    messages, _ = Monitor().update_many([admission, before, discharge, after])
    assert messages[-1]["bin"] == 28


def test_a_corrected_result_counts_as_if_it_had_been_sent_at_once() -> None:
    wrong, right, later = section("result is corrected")
    assert last_risk([wrong, right, later]) == last_risk([right, later])
    assert last_risk([wrong, right, later]) != last_risk([wrong, later])


def test_a_withdrawn_result_counts_as_if_it_had_never_been_sent() -> None:
    wrong, withdrawn, later = section("withdrawn")
    empty = {**wrong, "values": {}}
    assert last_risk([wrong, withdrawn, later]) == last_risk([empty, later])


@pytest.mark.parametrize("words", ["A02", "A12"])
def test_a_transfer_changes_no_risk(words: str) -> None:
    events = section(words)
    stayed = [event for event in events if event["type"] != "transfer"]
    assert last_risk(events) == last_risk(stayed)


def test_a_cancelled_discharge_changes_no_risk() -> None:
    events = section("A13")
    assert last_risk(events) == last_risk(without(events, 2, 3))


def test_the_later_particulars_count() -> None:
    events = section("A08")
    assert last_risk(events) == last_risk(without(events, 0))
    assert last_risk(events) != last_risk(without(events, 1))


def test_an_answer_is_said_on_the_topic_of_alerts() -> None:
    messages, _ = Monitor(risk_interval_s=0).update_many(section("Answers"))
    (answer,) = [m for m in messages if "phase" in m]
    assert (answer["phase"], answer["paused"], answer["by"]) == ("pause", True, {"user": "a.nurse"})


def test_a_merged_patient_is_watched_under_the_new_id_alone() -> None:
    events = section("A40")
    assert last_risk(events, "new") == last_risk([e for e in events if e["patient_id"] == "new"])
    monitor = Monitor(risk_interval_s=0)
    messages, _ = monitor.update_many(events)
    old = [m["phase"] for m in messages if m["patient_id"] == "old" and "phase" in m]
    assert old.count("start") == old.count("end")


def test_a_merge_ends_the_alert_of_the_old_id() -> None:
    ill = {"heart_rate": 150, "map": 42, "resp_rate": 38, "temperature": 40.2, "lactate": 9.5,
           "spo2": 84, "sbp": 68, "wbc": 32, "creatinine": 4.2, "platelets": 40}  # fmt: skip
    monitor = Monitor(risk_interval_s=0)
    phases: list[tuple[str, str]] = []
    for event in section("A40"):
        values = {"values": ill} if event["type"] == "observation" else {}
        phases += [
            (m["patient_id"], m["phase"])
            for m in monitor.update({**event, **values})
            if m.get("phase") in ("start", "end")
        ]
    assert phases == [("old", "start"), ("new", "start"), ("old", "end")]
