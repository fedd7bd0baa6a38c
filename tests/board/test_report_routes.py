from __future__ import annotations

import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anyio.to_thread
import pytest

from streamer.adapters.memory.ward import MemoryWardLog
from streamer.board.people import Role
from tests.support.board import (
    ACTION_ID,
    NOW_MS,
    ORIGIN,
    BoardTrial,
    action,
    alert,
    at,
    risk,
    stay,
)

BY = {"user": "a.nurse", "name": "=cmd()", "role": "nurse"}


@pytest.fixture
def trial(tmp_path: Path) -> BoardTrial:
    trial = BoardTrial(tmp_path / "users.json", config={"auth": "session"})
    trial.add_user("a.nurse", Role.NURSE)
    trial.add_user("an.admin", Role.ADMIN)
    trial.add_user("b.admin", Role.ADMIN, ["B"])
    trial.write(
        stay(),
        risk(),
        alert("start", -50, ward="A"),
        alert("acknowledge", -48, ward="A", by=BY, action_id="one", note="+note", revision=1),
        alert("refused", -47, ward="A", by=BY, action_id="two", action="snooze",
              refusal="too_long"),
        alert("feedback", -40, ward="A", by=BY, action_id="three", verdict="true",
              reason="sepsis_treated"),
        alert("end", -30, ward="A"),
    )  # fmt: skip
    return trial


def test_the_audit_has_each_action_with_its_outcome(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        assert client.get("/api/audit").status_code == 403
        client.post("/api/alerts/actions", json=action(), headers=ORIGIN)
    with trial.client("an.admin") as client:
        rows = client.get("/api/audit").json()["rows"]
        assert [(row["action"], row["outcome"], row["action_id"]) for row in rows] == [
            ("acknowledge", "not confirmed", ACTION_ID),
            ("feedback", "feedback", "three"),
            ("snooze", "refused: too_long", "two"),
            ("acknowledge", "acknowledge", "one"),
        ]
        assert (rows[3]["user"], rows[3]["note"], rows[3]["patient"]) == ("a.nurse", "+note", "p1")
        assert rows[1]["reason"] == "true: sepsis_treated"
        since = client.get(f"/api/audit?since={at(-45)}").json()["rows"]
        assert [row["action_id"] for row in since] == [ACTION_ID, "three"]
        assert client.get("/api/audit?user=nobody").json()["rows"] == []
        assert client.get("/api/audit?since=yesterday").status_code == 400
        trial.ward.available = False
        assert client.get("/api/audit").status_code == 503
    with trial.client("b.admin") as client:
        trial.ward.available = True
        assert client.get("/api/audit").json()["rows"] == [], "of another ward"


def test_no_cell_of_the_csv_is_a_formula(trial: BoardTrial) -> None:
    with trial.client("an.admin") as client:
        answer = client.get("/api/audit.csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["name"] for row in rows} == {"'=cmd()"}
    assert "'+note" in {row["note"] for row in rows}
    assert not [c for row in rows for c in row.values() if c.startswith(("=", "+", "-", "@"))]


def test_the_burden_of_the_last_days(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        burden = client.get("/api/burden?days=7").json()
        assert (burden["starts"], burden["beds"]) == (1, 1)
        assert burden["starts_per_bed_day"] == round(1 / (10 / 24), 3), "ten hours of one bed"
        assert (burden["acknowledge_p50_s"], burden["overdue_share"]) == (120, 0)
        assert burden["verdicts"] == {"n": 1, "true": 1, "false": 0, "unsure": 0, "ppv": 1.0}
        assert burden["by_day"][-1] == {"day": "2026-01-01", "starts": 1, "overdue": 0}
        assert sum(day["starts"] for day in burden["by_day"]) == 1
        trial.write(alert("start", -1, "p2", ward="A"))
        assert client.get("/api/burden?days=7").json()["starts"] == 1, "kept for half a minute"
        trial.now_s += 31
        assert client.get("/api/burden?days=7").json()["starts"] == 2
        assert client.get("/api/burden?days=0").status_code == 400


def test_times_of_a_replay_are_not_those_of_its_records() -> None:
    trial = BoardTrial(config={"clock": "log"})
    trial.write(risk(0.1, -100_000), alert("start", -100_000, by=BY, action_id="one"))
    trial.now_ms = NOW_MS + 10**9
    with trial.client() as client:
        assert len(client.get("/api/audit").json()["rows"]) == 1
        assert client.get("/api/burden?days=1").json()["starts"] == 1


def test_reports_that_take_long_hold_up_no_action() -> None:
    trial, reading, read_on = BoardTrial(), threading.Semaphore(0), threading.Event()
    trial.write(stay(), risk(), alert("start", -50))

    def open_slowly() -> MemoryWardLog:
        reading.release()
        read_on.wait(60)
        return trial.ward.open()

    def set_threads(n: int) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = n

    trial.app.state.context = replace(trial.context, open_log=open_slowly)
    with trial.client() as client, ThreadPoolExecutor(4) as people:
        assert client.portal is not None
        client.portal.call(set_threads, 4)
        asked = [people.submit(client.get, f"/api/burden?days={days}") for days in range(1, 5)]
        assert reading.acquire(timeout=10)
        assert reading.acquire(timeout=10)
        gives_up = threading.Timer(5, read_on.set)
        gives_up.start()
        answer = client.post("/api/alerts/actions", json=action(), headers=ORIGIN)
        assert answer.status_code == 202
        assert not read_on.is_set(), "it waited for the reports"
        gives_up.cancel()
        read_on.set()
        assert {one.result(10).status_code for one in asked} == {200}
