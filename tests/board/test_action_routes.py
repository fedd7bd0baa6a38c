from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.board.people import Role
from streamer.core.actions import is_signed, read_action
from tests.support.board import (
    ACTION_ID,
    NOW_MS,
    ORIGIN,
    PIN,
    BoardTrial,
    action,
    alert,
    at,
    risk,
    stay,
)

PATH = "/api/alerts/actions"


@pytest.fixture
def trial(tmp_path: Path) -> BoardTrial:
    trial = BoardTrial(tmp_path / "users.json", config={"auth": "session"})
    trial.add_user("a.nurse", Role.NURSE)
    trial.add_user("a.viewer", Role.VIEWER)
    trial.add_user("b.nurse", Role.NURSE, ["B"])
    trial.write(stay(), risk(), alert("start", partition=5))
    return trial


def test_an_action_is_a_record_on_the_partition_of_the_alert(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        answer = client.post(PATH, json=action(actor={"user": "chief"}), headers=ORIGIN)
    assert answer.status_code == 202
    assert answer.json() == {"action_id": ACTION_ID, "partition": 5, "offset": 0}
    (record,) = trial.ward.actions
    assert (record.partition, record.key, record.timestamp_ms) == (5, b"p1", None)
    content = json.loads(record.value)
    assert content["type"] == "action"
    assert content["time"] == at(0)
    assert content["actor"] == {
        "user": "a.nurse", "name": "A.Nurse", "role": "nurse", "how": "session",
        "station": "127.0.0.1",
    }, "by the session, whatever the body says"  # fmt: skip
    assert read_action(content).actor["user"] == "a.nurse", "the streamer takes it"
    assert dict(record.headers) == {"content-type": b"application/json"}


def test_with_a_key_each_action_is_signed() -> None:
    keys = iter(["a key", "a new key"])
    trial = BoardTrial(action_key=lambda: next(keys))
    trial.write(stay(), alert("start"))
    with trial.client() as client:
        for _ in range(2):
            assert client.post(PATH, json=action(), headers=ORIGIN).status_code == 202
    record, later = trial.ward.actions
    assert is_signed(b"a key", record.value, dict(record.headers)["action-mac"])
    assert is_signed(b"a new key", later.value, dict(later.headers)["action-mac"])
    assert json.loads(record.value)["actor"]["name"] == "anonymous (unverified)"


def test_with_the_logs_clock_an_action_has_the_logs_time() -> None:
    trial = BoardTrial(config={"clock": "log"})
    trial.write(stay(), risk(0.1, -600), alert("start", -600))
    with trial.client() as client:
        assert client.post(PATH, json=action(), headers=ORIGIN).status_code == 202
    assert trial.ward.actions[0].timestamp_ms == NOW_MS - 600 * 60_000
    assert json.loads(trial.ward.actions[0].value)["time"] == at(-600)


def test_only_nurses_act_and_only_on_what_they_see(trial: BoardTrial) -> None:
    with trial.client("a.viewer") as client:
        answer = client.post(PATH, json=action(), headers=ORIGIN)
        assert (answer.status_code, answer.json()["error"]) == (403, "role")
    with trial.client("b.nurse") as client:
        for body in (action(), action("pause", alert_id=None, minutes=60, reason="treated")):
            assert client.post(PATH, json=body, headers=ORIGIN).status_code == 404, "another ward"
        assert client.get("/api/patients/p1").status_code == 404
        assert client.get("/api/board").json()["cards"] == []
        assert client.get("/api/alerts").json()["alerts"] == []
    assert not trial.ward.actions


def test_an_unknown_alert_is_not_found(trial: BoardTrial) -> None:
    trial.write(stay("p2"), alert("start", 0, "p2"), risk(0.1, 1))
    unknown = [
        action(alert_id="p1/2020-01-01T00:00:00Z/1"),
        action(alert_id=None),
        action(patient="nobody"),
        action(alert_id=f"p2/{at(-60)}/1"),  # of another patient
    ]
    with trial.client("a.nurse") as client:
        for body in unknown:
            answer = client.post(PATH, json=body, headers=ORIGIN)
            assert (answer.status_code, answer.json()["error"]) == (404, "alert"), body
        pause = action("pause", alert_id=None, minutes=60, reason="treated")
        assert client.post(PATH, json=pause, headers=ORIGIN).status_code == 202
    assert trial.ward.actions[0].partition == 3, "of the patient"


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "delete"},
        {"action_id": "1"},
        {"revision": None},
        {"revision": 0},
        {"action": "snooze", "minutes": 15},
        {"action": "snooze", "reason": "at_bedside", "minutes": 0},
        {"action": "feedback", "verdict": "perhaps"},
        {"note": "x" * 201},
        {"note": 7},
        {"action": "pause", "minutes": 60, "reason": "lunch"},
    ],
)
def test_an_action_that_the_streamer_would_reject_is_refused(
    trial: BoardTrial, wrong: dict[str, object]
) -> None:
    with trial.client("a.nurse") as client:
        answer = client.post(PATH, json=action() | wrong, headers=ORIGIN)
    assert answer.status_code == 400, answer.text
    assert not trial.ward.actions


def test_the_idempotency_key_is_the_action_id(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        for key, status in ((ACTION_ID.upper(), 202), ("another", 400)):
            headers = ORIGIN | {"Idempotency-Key": key}
            assert client.post(PATH, json=action(), headers=headers).status_code == status


def test_without_kafka_there_is_no_202(trial: BoardTrial) -> None:
    trial.ward.available = False
    with trial.client("a.nurse") as client:
        answer = client.post(PATH, json=action(), headers=ORIGIN)
        assert (answer.status_code, answer.json()["error"]) == (503, "kafka_away")
        assert client.get("/api/board").status_code == 200, "the board lives"
    assert trial.board.posted.rows() == []


def test_a_kiosk_asks_who_and_for_a_pin(trial: BoardTrial) -> None:
    with trial.client("a.nurse", kiosk=True) as client:

        def post(**proof: str) -> tuple[int, str]:
            answer = client.post(PATH, json=action(**proof), headers=ORIGIN)
            return answer.status_code, answer.json().get("error", "")

        assert post() == (401, "wrong_pin")
        assert post(user="a.nurse", pin=PIN) == (202, "")
        assert post(user="a.viewer", pin=PIN) == (403, "role")
        assert post(user="b.nurse", pin=PIN) == (404, "alert"), "of another ward"
        for _ in range(5):
            assert post(user="a.nurse", pin="000000") == (401, "wrong_pin")
        assert post(user="a.nurse", pin=PIN) == (429, "pin_locked")
        assert post(user="b.nurse", pin=PIN) == (404, "alert"), "the others go on"
        trial.now_s += 300
        assert post(user="a.nurse", pin=PIN) == (202, "")
    actor = json.loads(trial.ward.actions[0].value)["actor"]
    assert (actor["user"], actor["how"]) == ("a.nurse", "pin")


def test_a_write_of_another_site_is_refused(trial: BoardTrial) -> None:
    right = {"X-Vigil": "1", "Sec-Fetch-Site": "same-origin"}
    foreign = [
        {"Sec-Fetch-Site": "same-origin"},  # no header of its own
        {"X-Vigil": "1"},  # does not say where from
        {"X-Vigil": "1", "Sec-Fetch-Site": "cross-site"},
        {"X-Vigil": "1", "Sec-Fetch-Site": "same-site"},
        {"X-Vigil": "1", "Origin": "https://evil.example"},
        {"X-Vigil": "1", "Origin": "null"},
        right | {"Origin": "https://evil.example"},
        right | {"content-type": "application/x-www-form-urlencoded"},
        right | {"content-type": "text/plain"},
    ]
    with trial.client("a.nurse") as client:
        for headers in foreign:
            answer = client.post(
                PATH,
                content=json.dumps(action()),
                headers={"content-type": "application/json"} | headers,
            )
            assert answer.status_code == 403, headers
        assert not trial.ward.actions
        assert client.post(PATH, json=action(), headers=right).status_code == 202
        assert client.delete("/api/session").status_code == 403


def test_the_answer_of_the_service_is_on_the_card(trial: BoardTrial) -> None:
    with trial.client("a.nurse") as client:
        client.post(PATH, json=action(), headers=ORIGIN)
        assert [row["outcome"] for row in trial.board.posted.rows()] == ["not confirmed"]
        by = {"user": "a.nurse", "name": "Anna"}
        trial.write(
            alert("acknowledge", 1, revision=1, acknowledged=1, state="acknowledged",
                  action_id=ACTION_ID, by=by)
        )  # fmt: skip
        assert trial.board.posted.rows() == []
        card = client.get("/api/board").json()["cards"][0]
        assert card["answers"] == [
            {"action_id": ACTION_ID, "phase": "acknowledge", "refusal": None}
        ]


def test_an_action_that_was_answered_before_waits_for_no_answer(trial: BoardTrial) -> None:
    """One that is sent again has no second phase: it would count as unconfirmed for ever."""
    with trial.client("a.nurse") as client:
        assert client.post(PATH, json=action(), headers=ORIGIN).status_code == 202
        assert [row["action_id"] for row in trial.board.posted.rows()] == [ACTION_ID]
        trial.write(alert("acknowledge", 1, by={"user": "a.nurse"}, action_id=ACTION_ID))
        assert trial.board.posted.rows() == []
        assert client.post(PATH, json=action(), headers=ORIGIN).status_code == 202
    assert trial.board.posted.rows() == []
