"""`streamer act`: the action that it writes, the answer that it waits for, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.adapters.kafka import action_answers, actions, read
from streamer.cli import app
from streamer.core.actions import ACTION_MAC, is_signed, read_action

ALERT_ID = "p1/2026-01-01T09:00:00Z/1"
ACTION_ID = "6f1c1c0e-7a57-4f0e-9f55-0b1f0a3a8a10"
STAY = json.dumps({"partition": 3, "alert": {"alert_id": ALERT_ID, "revision": 2}}).encode()


@dataclass
class Kafka:
    """The topics as a test sets them, and what the command writes.

    Attributes:
        stay: the last record of the patient on `stays`.
        answer: fields of the phase that the service says; ``None``: it says nothing.
        has_stays: whether the topic `stays` exists.
    """

    stay: bytes | None = STAY
    answer: dict[str, Any] | None = field(default_factory=dict)
    has_stays: bool = True
    written: list[tuple[int, bytes, bytes, dict[str, bytes]]] = field(default_factory=list)

    @property
    def action(self) -> dict[str, Any]:
        """The content of the one record that was written."""
        ((_, _, value, _),) = self.written
        content: dict[str, Any] = json.loads(value)
        return content

    def append(
        self, partition: int, key: bytes, value: bytes, headers: Sequence[Any], _at: int | None
    ) -> int:
        self.written.append((partition, key, value, dict(headers)))
        return 7

    def wait(self, is_answer: Callable[[bytes], bool], _deadline_s: float) -> bytes | None:
        if self.answer is None:
            return None
        phase = {"time": self.action["time"], "phase": self.action["action"], "patient_id": "p1"}
        phase |= {"action_id": self.action["action_id"], "by": self.action["actor"]}
        others = [b"{}", b"no JSON", json.dumps(phase | {"action_id": "another"}).encode()]
        for value in (*others, json.dumps(phase | self.answer).encode()):
            if is_answer(value):
                return value
        return None

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    topics = Kafka()
    monkeypatch.setattr(actions, "KafkaActionLog", lambda *_: topics)
    monkeypatch.setattr(action_answers, "AnswerReader", lambda *_: topics)
    monkeypatch.setattr(action_answers, "last_value", lambda *_: topics.stay)
    monkeypatch.setattr(read, "is_there", lambda *_: topics.has_stays)
    return topics


def act(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["act", *arguments, "--user", "a.nurse"])


def test_an_action_is_on_the_last_alert_of_the_patient_and_its_phase_is_shown(
    kafka: Kafka,
) -> None:
    result = act("p1", "acknowledge")
    assert result.exit_code == 0, result.output
    assert "acknowledge" in result.output
    assert "by a.nurse" in result.output
    ((partition, key, _, headers),) = kafka.written
    assert (partition, key, headers) == (3, b"p1", {})
    assert (kafka.action["alert_id"], kafka.action["revision"]) == (ALERT_ID, 2)
    assert read_action(kafka.action).actor == {"user": "a.nurse", "how": "command"}


def test_options_are_fields_and_json_is_the_whole_answer(kafka: Kafka) -> None:
    arguments = ("--revision", "1", "--minutes", "30", "--reason", "busy", "--note", "back soon")
    result = act("p1", "snooze", *arguments, "--action-id", ACTION_ID.upper(), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["action_id"] == ACTION_ID
    action = read_action(kafka.action)
    assert (action.revision, action.minutes, action.reason) == (1, 30, "busy")
    assert (action.note, action.action_id) == ("back soon", ACTION_ID)


def test_with_a_key_the_action_is_signed(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_ACTION_KEY", "key")
    assert act("p1", "feedback", "--verdict", "true").exit_code == 0
    ((_, _, value, headers),) = kafka.written
    assert is_signed(b"key", value, headers[ACTION_MAC])


def test_a_refusal_is_said_and_fails(kafka: Kafka) -> None:
    kafka.answer = {"phase": "refused", "refusal": "not_snoozed"}
    result = act("p1", "resume")
    assert result.exit_code == 1
    assert "refused: not_snoozed" in result.output
    assert "nothing to resume" in result.output


def test_without_an_answer_it_says_how_to_send_the_same_again(kafka: Kafka) -> None:
    kafka.answer = None
    result = act("p1", "acknowledge", "--wait", "0", "--action-id", ACTION_ID)
    assert result.exit_code == 1
    assert "not confirmed within 0 s" in result.output
    assert f"--action-id {ACTION_ID}" in result.output


@pytest.mark.parametrize("stay", [None, b"", b"[]", b"{}", b"\xff"])
def test_a_patient_of_whom_nothing_is_known_is_named(kafka: Kafka, stay: bytes | None) -> None:
    kafka.stay = stay
    result = act("p1", "acknowledge")
    assert result.exit_code == 1
    assert "Nothing is known of patient 'p1'" in result.output
    assert not kafka.written


def test_a_missing_topic_is_told_from_an_unknown_patient(kafka: Kafka) -> None:
    kafka.stay, kafka.has_stays = None, False
    result = act("p1", "acknowledge")
    assert result.exit_code == 1
    assert "topic stays is missing; run `streamer topics`" in result.output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("dance",), "action: must be one of"),
        (("snooze", "--reason", "busy"), "minutes"),
        (("pause", "--minutes", "30", "--reason", "busy"), "reason: of a pause"),
        (("feedback",), "verdict"),
        (("acknowledge", "--action-id", "7"), "action_id"),
        (("acknowledge", "--note", "x" * 201), "note"),
    ],
)
def test_what_the_service_would_reject_is_wrong_usage(
    kafka: Kafka, arguments: tuple[str, ...], word: str
) -> None:
    result = act("p1", *arguments)
    assert result.exit_code == 2
    assert word in " ".join(result.output.split())
    assert not kafka.written


def test_a_patient_without_an_alert_can_be_paused_and_not_acknowledged(kafka: Kafka) -> None:
    kafka.stay = b'{"partition": 1, "alert": null}'
    nothing = act("p1", "acknowledge")
    assert nothing.exit_code == 1
    assert "has had no alert: nothing to acknowledge" in nothing.output
    assert act("p1", "dance").exit_code == 2
    assert act("p1", "pause", "--minutes", "30", "--reason", "treated").exit_code == 0
    assert kafka.written[0][0] == 1
    assert kafka.action["alert_id"] is None
