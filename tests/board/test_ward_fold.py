from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from streamer.board.follower import changes
from streamer.board.ward_fold import WardFold
from streamer.ports.ward import WardRecord, WardTopics
from tests.support.board import NOW_MS, BoardTrial, alert, at, risk, stay

TOPICS = WardTopics("stays", "risk", "alerts")


def test_the_alert_of_stays_stands_where_its_messages_are_too_old_to_be_read() -> None:
    trial = BoardTrial()
    last = alert("acknowledge", -5, revision=2, acknowledged=2, state="acknowledged",
                 by={"user": "a.nurse"})  # fmt: skip
    del last["reasons"]
    trial.write(stay(alert=last), risk())
    card = trial.card()
    assert card["state"] == "acknowledged"
    assert card["alert"]["acknowledged_by"] == "a.nurse"
    assert card["alert"]["started"] == at(-60), "from its id"


def test_stays_first_and_alerts_after_give_the_same_card() -> None:
    """A board that starts reads `stays` to its end, then older messages of `alerts`."""
    messages = [
        alert("start", 0, revision=1, acknowledged=0, state="open"),
        alert("escalate", 5, revision=2, acknowledged=0, state="open", severity="high"),
        alert("end", 9, revision=2, acknowledged=0, state="ended_unseen", severity="high"),
    ]
    last = stay(alert=messages[-1])
    followed, started = BoardTrial(), BoardTrial()
    followed.write(*messages, last)
    started.write(last, *messages)
    assert started.card() == followed.card()


def test_points_of_the_curve_do_not_depend_on_when_a_board_started() -> None:
    risks = [risk(i / 1000, minutes=i - 600) for i in range(600)]
    whole, sampled = BoardTrial(), BoardTrial()
    whole.write(*risks)
    sampled.write(*(r for i, r in enumerate(risks) if i % 60 < 2 or i > 540))
    assert sampled.card()["series"] == whole.card()["series"]
    assert len(whole.card()["series"]) == 10


def test_a_risk_of_an_older_record_is_not_the_newest() -> None:
    trial = BoardTrial()
    trial.write(risk(0.5, 1), risk(0.1, 0))
    assert trial.card()["risk"]["value"] == 0.5


def test_a_tombstone_takes_the_patient_away() -> None:
    fold = WardFold()
    records = [
        WardRecord("stays", NOW_MS, b"p1", orjson.dumps(stay())),
        WardRecord("stays", NOW_MS, b"p1", None),
    ]
    for change in changes(records[:1], TOPICS):
        fold.add(change)  # type: ignore[arg-type]  # no tombstone
    assert set(fold.patients) == {"p1"}
    (tombstone,) = changes(records[1:], TOPICS)
    fold.remove(tombstone.patient)  # type: ignore[union-attr]
    assert not fold.patients


def test_anything_on_a_topic_is_survived() -> None:
    rng = random.Random(7)
    whole = orjson.dumps(alert("start"))
    broken = [bytes(rng.choices(whole, k=rng.randrange(1, 80))) for _ in range(200)] + [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"patient_id":1}',
        orjson.dumps(alert("start", time=3)),
    ]
    records = [
        WardRecord(t, NOW_MS, b"\xff", value) for t in ("risk", "alerts") for value in broken
    ]
    assert list(changes(records, TOPICS)) == []


def test_pauses_and_refusals_without_an_alert_are_kept_apart() -> None:
    trial = BoardTrial()
    by = {"user": "a.nurse"}
    trial.write(
        risk(),
        alert("pause", 1, alert_id=None, by=by, action_id="one"),
        alert(
            "refused", 2, alert_id="p1/nobody/1", refusal="unknown_alert", by=by, action_id="two"
        ),
    )
    assert trial.card()["alert"] is None, "no phantom of an alert"
    assert [(a["action_id"], a["refusal"]) for a in trial.card()["answers"]] == [
        ("one", None), ("two", "unknown_alert"),
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [{"news2": 10**30}, {"last": {"heart_rate": [80.0, -(10**30)]}}])
def test_a_number_that_no_page_can_read_costs_its_message(fields: dict[str, Any]) -> None:
    """Written by another program, it would end the thread that publishes all the others."""
    trial = BoardTrial()
    trial.write(risk(0.05))
    value = json.dumps(risk(0.9, **fields)).encode()
    trial.board.apply(changes([WardRecord("risk", NOW_MS, b"p1", value)], TOPICS))
    trial.board.publish()
    assert trial.card()["risk"]["value"] == 0.05
