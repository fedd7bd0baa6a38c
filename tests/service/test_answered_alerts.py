"""People's answers to alerts, black box: records on a real Kafka, the service, what it says.

Each patient is one line of the acceptance of alerts: all in one log, one service, one trial.
`tests/core/test_responses.py` has the same rules in all orders.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer

from bench.reading import read_topic
from streamer.core.time import HOUR_MS, MINUTE_MS, rfc3339
from streamer.local import LocalStack
from tests.support.service_trial import ServiceTrial

Content = dict[str, Any]  # of an event or a message

WELL = {
    "heart_rate": 72, "map": 84, "temperature": 36.8, "resp_rate": 14, "sbp": 124, "spo2": 98,
    "lactate": 1.0, "wbc": 8, "fio2": 0.21, "creatinine": 0.9,
}  # fmt: skip
VERY_ILL = {
    "heart_rate": 135, "map": 48, "temperature": 39.6, "resp_rate": 34, "sbp": 78, "spo2": 88,
    "lactate": 7.5, "wbc": 24, "fio2": 0.7, "creatinine": 3.4,
}  # fmt: skip
ILL = {name: round(WELL[name] + 0.35 * (VERY_ILL[name] - WELL[name]), 2) for name in WELL}
START_H = 3  # of each alert, after admission
# Records lie in the past, so that deadlines come by their timestamps and nobody waits.
BEGAN_MS = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS - 30 * HOUR_MS


class Bed:
    """The events of one patient, at minutes after the alert of this patient starts."""

    def __init__(self, patient: str) -> None:
        self.patient = patient
        self.start_ms = BEGAN_MS + START_H * HOUR_MS
        self.alert_id = f"{patient}/{rfc3339(self.start_ms)}/1"
        self.records: list[tuple[int, bytes]] = []
        self._event(-START_H * 60, type="admission", ward="W", bed=patient)
        for minutes in (-170, -110, -50):
            self.has(minutes, WELL)

    def has(self, minutes: float, values: Content) -> None:
        """Values are measured."""
        self._event(minutes, values=values)

    def answers(self, at: float, kind: str, revision: int = 1, **fields: Any) -> Content:
        """Somebody answers; returns the action, to send it again."""
        action = {
            "type": "action", "action": kind, "action_id": str(uuid.uuid4()),
            "alert_id": self.alert_id, "revision": revision, "actor": {"user": "a.nurse"}, **fields,
        }  # fmt: skip
        self._event(at, **action)
        return action

    def again(self, minutes: float, action: Content, times: int = 1) -> None:
        """The same action is written again."""
        for _ in range(times):
            self._event(minutes, **action)

    def _event(self, at: float, **fields: Any) -> None:
        time_ms = self.start_ms + round(at * MINUTE_MS)
        event = {"patient_id": self.patient, "time": rfc3339(time_ms), **fields}
        self.records.append((time_ms, json.dumps(event).encode()))


def rises_before() -> Bed:
    bed = Bed("rises-before")
    bed.has(0, ILL)
    bed.has(1, VERY_ILL)
    bed.answers(2, "acknowledge", 1)
    bed.answers(3, "acknowledge", 2)
    return bed


def rises_after() -> Bed:
    bed = Bed("rises-after")
    bed.has(0, ILL)
    bed.answers(1, "acknowledge", 1)
    bed.has(2, VERY_ILL)
    bed.answers(3, "acknowledge", 2)
    return bed


def ends() -> Bed:
    bed = Bed("ends")
    bed.has(0, ILL)
    bed.has(2, WELL)
    bed.answers(3, "acknowledge")
    bed.answers(4, "unacknowledge")
    bed.has(5, WELL)
    return bed


def snoozed() -> Bed:
    bed = Bed("snoozed")
    bed.has(0, ILL)
    bed.answers(1, "snooze", minutes=15, reason="busy")
    for minutes in (14, 16, 17):
        bed.has(minutes, ILL)
    bed.answers(18, "snooze", minutes=30, reason="busy")
    bed.has(19, VERY_ILL)
    bed.answers(20, "snooze", 2, minutes=31, reason="busy")
    return bed


def repeated() -> Bed:
    bed = Bed("repeated")
    bed.has(0, ILL)
    action = bed.answers(1, "acknowledge")
    bed.again(1, action, 99)
    bed.answers(2, "unacknowledge")
    bed.again(3, action)
    return bed


def overdue() -> Bed:
    bed = Bed("overdue")
    for minutes in (0, 29, 31, 40):
        bed.has(minutes, ILL)
    return bed


def not_overdue() -> Bed:
    bed = Bed("not-overdue")
    bed.has(0, ILL)
    bed.answers(1, "acknowledge")
    bed.has(31, ILL)
    bed.has(32, WELL)
    bed.has(63, WELL)
    return bed


def paused() -> Bed:
    bed = Bed("paused")
    bed.answers(-1, "pause", alert_id=None, minutes=60, reason="procedure")
    bed.has(0, ILL)
    bed.has(1, VERY_ILL)
    return bed


def judged() -> Bed:
    bed = Bed("judged")
    bed.has(0, ILL)
    bed.answers(1, "feedback", verdict="true", reason="sepsis_treated")
    return bed


def stranger() -> Bed:
    bed = Bed("stranger")
    bed.records.clear()  # nothing is known of them: the answer is rejected
    bed.answers(1, "acknowledge")
    return bed


# Phase, state, revision, acknowledged of each message, in order.
EXPECTED: dict[str, list[tuple[str, str, int, int]]] = {
    "rises-before": [
        ("start", "open", 1, 0), ("escalate", "open", 2, 0), ("acknowledge", "open", 2, 1),
        ("acknowledge", "acknowledged", 2, 2),
    ],
    "rises-after": [
        ("start", "open", 1, 0), ("acknowledge", "acknowledged", 1, 1), ("escalate", "open", 2, 1),
        ("acknowledge", "acknowledged", 2, 2),
    ],
    "ends": [
        ("start", "open", 1, 0), ("end", "ended_unseen", 1, 0), ("acknowledge", "closed", 1, 1),
        ("unacknowledge", "closed", 1, 1),
    ],
    "snoozed": [
        ("start", "open", 1, 0), ("snooze", "snoozed", 1, 0), ("resume", "open", 1, 0),
        ("snooze", "snoozed", 1, 0), ("escalate", "open", 2, 0), ("refused", "open", 2, 0),
    ],
    "repeated": [
        ("start", "open", 1, 0), ("acknowledge", "acknowledged", 1, 1),
        ("unacknowledge", "open", 1, 0),
    ],
    "overdue": [("start", "open", 1, 0), ("overdue", "open", 1, 0)],
    "not-overdue": [
        ("start", "open", 1, 0), ("acknowledge", "acknowledged", 1, 1), ("end", "closed", 1, 1),
    ],
    "paused": [
        ("pause", "closed", 0, 0), ("start", "paused", 1, 0), ("escalate", "open", 2, 0),
    ],
    "judged": [("start", "open", 1, 0), ("feedback", "open", 1, 0)],
}  # fmt: skip
BEDS = (
    rises_before, rises_after, ends, snoozed, repeated, overdue, not_overdue, paused, judged,
    stranger,
)  # fmt: skip


class Answered:
    """The trial after all records, and after Redis was emptied and the service started anew."""

    def __init__(self, trial: ServiceTrial) -> None:
        self.trial = trial
        self.alerts = self._said()
        self.by_patient = {
            patient: list(messages)
            for patient, messages in itertools.groupby(
                sorted(self.alerts, key=lambda m: str(m["patient_id"])),
                lambda m: str(m["patient_id"]),
            )
        }

    def _said(self) -> list[Content]:
        topic = self.trial.settings.topic_alerts
        return [json.loads(record.value) for record in read_topic(self.trial.settings, topic)]


@pytest.fixture(scope="module")
def answered(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    folder = tmp_path_factory.mktemp("answered")
    with ServiceTrial(stack, folder, f"{folder.name}-", partitions=1) as trial:
        send(trial, [bed() for bed in BEDS])
        with trial.worker():
            trial.assert_equals_oracle()
        yield Answered(trial)


def send(trial: ServiceTrial, beds: list[Bed]) -> None:
    """Writes the records of all patients by time."""
    producer = KafkaProducer(**trial.settings.kafka_connection())
    records = [(at, bed.patient, value) for bed in beds for at, value in bed.records]
    for time_ms, patient, value in sorted(records, key=lambda record: record[0]):
        producer.send(
            trial.settings.topic_vitals, value, patient.encode(), partition=0, timestamp_ms=time_ms
        )
    producer.close()


@pytest.mark.parametrize("patient", EXPECTED)
def test_each_answer_is_a_phase_and_alerts_stand_as_the_rules_say(
    answered: Answered, patient: str
) -> None:
    messages = answered.by_patient[patient]
    got = [(m["phase"], m["state"], m["revision"], m["acknowledged"]) for m in messages]
    assert got == EXPECTED[patient]


def test_what_else_the_messages_say(answered: Answered) -> None:
    snoozed_, paused_ = answered.by_patient["snoozed"], answered.by_patient["paused"]
    assert "by" not in snoozed_[2]
    assert snoozed_[-1]["refusal"] == "too_long"
    assert [m["paused"] for m in paused_] == [True, True, True]
    assert "by" not in answered.by_patient["overdue"][1]
    settings = answered.trial.settings
    outcomes = [json.loads(r.value) for r in read_topic(settings, settings.topic_outcomes)]
    (verdict,) = outcomes
    assert (verdict["type"], verdict["patient_id"], verdict["verdict"]) == (
        "verdict", "judged", "true",
    )  # fmt: skip


def test_actions_are_no_data(answered: Answered) -> None:
    """None causes a risk, and a hundred of one action cause none either."""
    settings = answered.trial.settings
    risks = [json.loads(record.value) for record in read_topic(settings, settings.topic_risk)]
    values = [bed for make in BEDS if (bed := make())]
    measured = {
        (bed.patient, rfc3339(at))
        for bed in values
        for at, value in bed.records
        if b'"values"' in value
    }
    assert {(risk["patient_id"], risk["time"]) for risk in risks} <= measured


def test_lost_answers_are_rebuilt(answered: Answered) -> None:
    """Redis has lost all; who answers then finds the alert as it was."""
    trial = answered.trial
    for key in trial.redis.scan_iter(f"vigil:{trial.settings.group}*"):
        trial.redis.delete(key)
    before = len(read_topic(trial.settings, trial.settings.topic_alerts))
    later = Bed("snoozed")
    later.records.clear()
    later.answers(70, "acknowledge", 2)
    send(trial, [later])
    with trial.worker():
        trial.assert_equals_oracle()
    overdue_, message = [
        json.loads(record.value)
        for record in read_topic(trial.settings, trial.settings.topic_alerts)[before:]
    ]
    assert (overdue_["phase"], overdue_["revision"]) == ("overdue", 2)
    assert (message["phase"], message["state"]) == ("acknowledge", "acknowledged")
    assert (message["revision"], message["acknowledged"]) == (2, 2)
