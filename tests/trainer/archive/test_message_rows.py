from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from streamer.core.records import Record, Records
from trainer.archive.arrow import listed
from trainer.archive.message_rows import of_actions, of_alerts, of_outcomes, of_risks
from trainer.archive.pseudonyms import PatientNames

START = "2026-11-21T10:00:00Z"
PLAIN = PatientNames(None)


def alert_row(**fields: Any) -> tuple[object, object, object]:
    content = {"patient_id": "a/b", "time": START, "phase": "start", "severity": "medium", **fields}
    record = Record(0, 7, 1_000, b"a/b", orjson.dumps(content))
    rows = of_alerts(Records.of([record]), "topic", PatientNames(None), "champion")
    assert listed(rows, "patient") == ["a/b"]
    (phase,), (number,) = listed(rows, "phase"), listed(rows, "number")
    return phase, rows["started"].to_pylist()[0] is not None, number


def test_an_alert_is_named_by_its_start_and_number() -> None:
    assert alert_row(alert_id=f"a/b/{START}/2") == ("start", True, 2)


@pytest.mark.parametrize(
    ("phase", "alert_id"),
    [
        ("pause", None),
        ("refused", "none"),
        ("refused", "a/b/soon/1"),
        ("refused", f"a/b/{START}/{10**12}"),
        ("refused", 7),
    ],
)
def test_an_answer_about_no_alert_has_a_row_without_one(phase: str, alert_id: object) -> None:
    assert alert_row(phase=phase, alert_id=alert_id) == (phase, False, None)


FEEDBACK = {
    "patient_id": "a/b", "time": START, "phase": "feedback", "alert_id": f"a/b/{START}/2",
    "revision": 1, "state": "open", "reason": "known_cause", "verdict": "false", "note": "Doe, J",
    "action_id": "0b0c5b0e-4c9e-4f0c-9d0e-8a2f5a1d7f11",
    "by": {"user": "a.nurse", "name": "A. Nurse", "role": "nurse", "station": "desk 2"},
}  # fmt: skip


def action_rows(names: PatientNames, **changes: Any) -> list[dict[str, Any]]:
    record = Record(0, 7, 1_000, b"a/b", orjson.dumps(FEEDBACK | changes))
    return of_actions(Records.of([record]), "topic", names).to_pylist()


def test_an_answer_is_kept_with_who_gave_it_as_a_pseudonym_and_no_free_text() -> None:
    names = PatientNames(b"key")
    (row,) = action_rows(names)
    assert (row["action"], row["verdict"], row["reason"]) == ("feedback", "false", "known_cause")
    assert (row["patient"], row["number"], row["user_role"]) == (names.name("a/b"), 2, "nurse")
    assert row["user"] == names.person("a.nurse")
    text = " ".join(str(value) for value in row.values())
    assert not [word for word in ("a.nurse", "A. Nurse", "a/b", "desk 2", "Doe") if word in text]
    assert names.person("a/b") != names.name("a/b")


def test_a_refused_answer_says_what_it_was() -> None:
    (row,) = action_rows(PLAIN, phase="refused", action="snooze", refusal="too_long", verdict=None)
    assert (row["action"], row["refusal"], row["user"]) == ("snooze", "too_long", "a.nurse")


def test_vitals_and_deadlines_are_no_answers() -> None:
    assert action_rows(PLAIN, phase="overdue", by=None) == []
    assert action_rows(PLAIN, phase="start", by=None) == []


def test_a_verdict_among_the_outcomes_is_no_label() -> None:
    content = {"type": "verdict", "patient_id": "a/b", "time": START, "verdict": "true"}
    record = Record(0, 7, 1_000, b"a/b", orjson.dumps(content))
    (row,) = of_outcomes(Records.of([record]), "topic", PLAIN).to_pylist()
    assert (row["refused"], row["patient"], row["type"]) == ("verdict", None, None)


RISK = {"patient_id": "a/b", "time": START, "bin": 3, "risk": 0.1, "model": "3fa9c1d20b77"}


def records(*contents: Mapping[str, object], timestamp_ms: int = 1_000) -> Records:
    return Records.of(
        Record(0, i, timestamp_ms, b"a/b", orjson.dumps(content))
        for i, content in enumerate(contents)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"bin": "x"}, {"bin": [3]}, {"bin": 2**40}, {"risk": "high"}, {"model": {}},
        {"positive": "no"}, {"horizons": {"24h": "x"}},
    ],
)  # fmt: skip
def test_a_risk_of_another_program_costs_itself(changes: Mapping[str, object]) -> None:
    rows = of_risks(records({**RISK, **changes}, RISK), "topic", PLAIN, "champion")
    assert listed(rows, "offset") == [1]


def test_a_risk_with_strange_horizons_is_kept_without_them() -> None:
    (row,) = of_risks(records(RISK | {"horizons": [1]}), "topic", PLAIN, "champion").to_pylist()
    assert (row["risk"], row["risk24"]) == (0.1, None)


def test_alerts_and_answers_of_another_program_cost_themselves() -> None:
    start = {"patient_id": "a/b", "time": START, "phase": "start", "severity": "medium"}
    alerts = of_alerts(records(start | {"phase": 7}, start), "topic", PLAIN, "champion")
    assert listed(alerts, "offset") == [1]
    answers = of_actions(records(FEEDBACK | {"minutes": "ten"}, FEEDBACK), "topic", PLAIN)
    assert listed(answers, "offset") == [1]


def test_a_timestamp_that_is_no_time_is_left_out() -> None:
    outcome = {"type": "no_sepsis", "patient_id": "a/b", "time": START}
    (row,) = of_outcomes(records(outcome, timestamp_ms=2**62), "topic", PLAIN).to_pylist()
    assert (row["type"], row["logged"], row["refused"]) == ("no_sepsis", None, None)
