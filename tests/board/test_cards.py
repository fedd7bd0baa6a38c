from __future__ import annotations

import pytest

from streamer.board.board import Audience
from streamer.core.alert_messages import Content
from streamer.core.time import MINUTE_MS
from tests.support.board import NOW_MS, REASON, BoardTrial, alert, at, risk, stay


@pytest.fixture
def trial() -> BoardTrial:
    return BoardTrial()


def test_a_card_has_what_stays_risk_and_alerts_say(trial: BoardTrial) -> None:
    trial.write(
        stay(antibiotic_since=at(-30)),
        risk(0.05, -1),
        alert("start", 0, reasons=[REASON], revision=1, acknowledged=0, state="open"),
    )
    card = trial.card()
    assert (card["ward"], card["bed"], card["label"], card["partition"]) == (
        "A", "4", "Label p1", 3,
    )  # fmt: skip
    assert card["state"] == "open"
    assert card["alert"]["reasons"] == [REASON]
    assert card["risk"]["threshold"] == 0.18, "of alerts, not of the risk message"
    assert card["last"] == {"heart_rate": [112, 3]}
    assert card["last_contact"] == at(-1)
    assert card["treated"] == {"since": at(-30)}
    assert card["series"] == [[NOW_MS - MINUTE_MS, 0.05]]


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ([risk()], "none"),
        ([alert("start")], "open"),
        ([alert("start"), alert("acknowledge", 1)], "acknowledged"),
        ([alert("start"), alert("end", 1)], "ended_unseen"),
        ([alert("start"), alert("acknowledge", 1), alert("end", 2)], "closed"),
        ([alert("start"), alert("end", 1, reason="discharge"), risk(0.1, 2)], "closed"),
        ([alert("start", state="paused", paused=True)], "paused"),
        ([alert("start", state="a word of later")], "open"),
        ([stay(pause={"reason": "treated", "until": at(60)}), risk()], "paused"),
    ],
)
def test_the_state_follows_from_what_was_written(
    trial: BoardTrial, messages: list[Content], state: str
) -> None:
    trial.write(*messages)
    assert trial.card()["state"] == state


def test_time_alone_ends_snoozes_pauses_and_what_nobody_saw(trial: BoardTrial) -> None:
    trial.write(
        stay(pause={"reason": "procedure", "until": at(20), "by": {"user": "a.nurse"}}),
        alert("start", state="snoozed", revision=1, snoozed_until=at(15), respond_by=at(10)),
        stay("p2"),
        alert("start", -1, "p2"),
        alert("end", 0, "p2"),
    )
    assert trial.card()["state"] == "snoozed"
    assert trial.card()["paused"] == {"reason": "procedure", "until": at(20), "by": "a.nurse"}
    trial.now_ms = NOW_MS + 15 * MINUTE_MS
    trial.board.let_time_pass()
    assert trial.board.publish() == ["p1"], "the other card has not changed"
    assert trial.card()["state"] == "open"
    assert trial.card()["alert"]["overdue"], "nobody answered for ten minutes"
    trial.now_ms = NOW_MS + 12 * 60 * MINUTE_MS
    trial.board.let_time_pass()
    assert set(trial.board.publish()) == {"p1", "p2"}
    assert trial.card("p2")["state"] == "closed"
    assert trial.card()["paused"] is None


def test_a_patient_leaves_with_the_discharge_and_comes_back_with_data(trial: BoardTrial) -> None:
    trial.write(stay(discharged=at(30)), risk())
    assert trial.board.card_of("p1", Audience()) is not None, "not yet"
    trial.now_ms = NOW_MS + 31 * MINUTE_MS
    trial.board.let_time_pass()
    assert trial.board.publish() == ["p1"]
    assert trial.board.card_of("p1", Audience()) is None
    trial.write(risk(0.05, 40))
    assert trial.board.card_of("p1", Audience()) is not None


def test_without_stays_a_patient_leaves_after_a_day_of_silence(trial: BoardTrial) -> None:
    trial.write(risk())
    trial.now_ms = NOW_MS + 24 * 60 * MINUTE_MS + 1
    trial.board.let_time_pass()
    assert trial.board.publish() == ["p1"]
    trial.now_ms = NOW_MS
    trial.board.let_time_pass()
    assert trial.board.publish() == ["p1"], "a clock that was set back"


@pytest.mark.parametrize(
    ("risks", "trend"),
    [([(0.02, -130), (0.05, 0)], "up"), ([(0.05, -130), (0.02, 0)], "down"),
     ([(0.05, -130), (0.052, 0)], "flat"), ([(0.05, 0)], "flat")],
)  # fmt: skip
def test_the_trend_is_against_two_hours_before(
    trial: BoardTrial, risks: list[tuple[float, float]], trend: str
) -> None:
    trial.write(*(risk(value, minutes) for value, minutes in risks))
    assert trial.card()["risk"]["trend"] == trend


def test_a_risk_that_rests_on_little_is_indeterminate(trial: BoardTrial) -> None:
    little: Content = {"hours_of_data": 1, "oldest_vital_minutes": None, "values_missing": []}
    trial.write(risk(data=little))
    assert trial.card()["risk"]["indeterminate"]
    trial.write(risk(0.05, 1))
    assert not trial.card()["risk"]["indeterminate"]
