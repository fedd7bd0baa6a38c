"""The laws of people's response to an alert: acceptance A3 to A8, A10 to A12 of the ward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core import codec
from streamer.core.alert_messages import Content
from streamer.core.codec import Era
from streamer.core.events import Fields
from streamer.core.messages import Message, headers
from streamer.core.records import Record
from tests.support.event_stream import (
    Event,
    HeartRateModel,
    Stream,
    action,
    admission,
    discharge,
    event,
    medication,
    observation,
)

HEART = HeartRateModel()
ALERT = "p/2026-01-01T01:00:00Z/1"
QUIET, MEDIUM, HIGH = 80, 102, 120  # heart rates
MINUTE = 1 / 60


def started(heart_rate: float = MEDIUM) -> Stream:
    """A patient whose first alert starts at 1 h."""
    stream = Stream(HEART)
    stream.take(admission(ward="W", bed="7"), observation(1, heart_rate=heart_rate))
    return stream


def answer(hours: float, kind: str, revision: int = 1, /, **fields: Any) -> Event:
    """An action on the first alert."""
    return action(hours, kind, alert_id=ALERT, revision=revision, **fields)


def phases(messages: list[Content]) -> list[tuple[str, str, int]]:
    """Phase, state and revision of the alert messages."""
    return [(m["phase"], m["state"], m["revision"]) for m in messages if "phase" in m]


def bytes_of(messages: list[Message]) -> list[tuple[str, bytes, bytes | None]]:
    return [(m.kind, m.key, m.value) for m in messages]


@pytest.mark.parametrize("ends", [(), (1,), (2,), (1, 2)])
@pytest.mark.parametrize("order", [0, 1])
def test_an_acknowledgement_of_a_revision_never_answers_a_rise(
    order: int, ends: tuple[int, ...]
) -> None:
    stream = started()
    rise, seen = observation(1.1, heart_rate=HIGH), answer(1.1, "acknowledge")
    messages = stream.take(*((rise, seen) if order else (seen, rise)), ends=ends)
    last = [m for m in messages if "phase" in m][-1]
    assert (last["state"], last["revision"], last["acknowledged"]) == ("open", 2, 1)
    (last,) = stream.take(answer(1.2, "acknowledge", 2))
    assert (last["phase"], last["state"], last["acknowledged"]) == (
        "acknowledge",
        "acknowledged",
        2,
    )
    assert last["respond_by"] is None


def test_an_acknowledgement_after_the_end_closes() -> None:
    stream = started()
    end = stream.take(observation(1.1, heart_rate=QUIET))[-1]
    assert (end["phase"], end["state"]) == ("end", "ended_unseen")
    assert phases(stream.take(answer(1.2, "acknowledge"))) == [("acknowledge", "closed", 1)]
    assert phases(stream.take(answer(1.3, "unacknowledge"))) == [("unacknowledge", "closed", 1)]
    assert phases(stream.take(answer(1.4, "snooze", minutes=15, reason="busy"))) == [
        ("snooze", "closed", 1)
    ]


def test_an_alert_that_was_seen_or_left_with_the_patient_is_closed() -> None:
    stream = started()
    stream.take(answer(1.1, "acknowledge"))
    assert phases(stream.take(observation(1.2, heart_rate=QUIET)))[-1] == ("end", "closed", 1)
    left = started()
    assert phases(left.take(discharge(1.1)))[-1] == ("end", "closed", 1)


def test_a_snooze_ends_at_the_first_record_at_its_time_and_once() -> None:
    stream = started()
    (alert,) = stream.take(answer(1.1, "snooze", minutes=30, reason="busy", note="back soon"))
    assert (alert["state"], alert["snoozed_until"]) == ("snoozed", "2026-01-01T01:36:00Z")
    assert (alert["by"], alert["note"], alert["respond_by"]) == (
        {"user": "nurse"},
        "back soon",
        None,
    )
    assert phases(stream.take(observation(1.5999, heart_rate=MEDIUM))) == []
    messages = stream.take(observation(1.6, heart_rate=MEDIUM), observation(1.7, heart_rate=MEDIUM))
    assert phases(messages) == [("resume", "open", 1)]
    (resume,) = [m for m in messages if "phase" in m]
    assert "by" not in resume
    assert (resume["time"], resume["respond_by"]) == (
        "2026-01-01T01:36:00Z",
        "2026-01-01T02:06:00Z",
    )


def test_a_rise_voids_a_snooze_and_an_end_ends_it() -> None:
    stream = started()
    stream.take(answer(1.1, "snooze", minutes=60, reason="busy"))
    messages = stream.take(observation(1.2, heart_rate=HIGH))
    assert phases(messages) == [("escalate", "open", 2)]
    assert phases(stream.take(observation(3, heart_rate=QUIET))) == [
        ("overdue", "open", 2), ("end", "ended_unseen", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heart_rate", "minutes", "state"),
    [(MEDIUM, 120, "snoozed"), (MEDIUM, 121, "open"), (HIGH, 30, "snoozed"), (HIGH, 31, "open")],
)
def test_a_snooze_may_be_so_long(heart_rate: float, minutes: int, state: str) -> None:
    stream = started(heart_rate)
    (alert,) = stream.take(answer(1, "snooze", minutes=minutes, reason="busy"))
    assert alert["state"] == state
    if state == "open":
        assert (alert["phase"], alert["refusal"]) == ("refused", "too_long")
        assert (alert["action"], alert["current_revision"]) == ("snooze", 1)


def test_a_snooze_cannot_be_lengthened_past_the_cap_from_the_first() -> None:
    stream = started()
    stream.take(answer(1, "snooze", minutes=60, reason="busy"))
    (alert,) = stream.take(answer(1.5, "snooze", minutes=90, reason="busy"))
    assert (alert["phase"], alert["snoozed_until"]) == ("snooze", "2026-01-01T03:00:00Z")
    (alert,) = stream.take(answer(2, "snooze", minutes=61, reason="busy"))
    assert (alert["refusal"], alert["snoozed_until"]) == ("too_long", "2026-01-01T03:00:00Z")
    (alert,) = stream.take(answer(2.1, "resume"))
    assert (alert["phase"], alert["state"], alert["by"]) == ("resume", "open", {"user": "nurse"})
    (alert,) = stream.take(answer(2.2, "resume"))
    assert (alert["phase"], alert["refusal"]) == ("refused", "not_snoozed")


def test_an_acknowledged_high_alert_comes_back() -> None:
    stream = started(HIGH)
    stream.take(answer(1.1, "acknowledge"))
    messages = stream.take(observation(2.0999, heart_rate=HIGH), observation(2.1, heart_rate=HIGH))
    assert phases(messages) == [("resume", "open", 1)]
    medium = started()
    medium.take(answer(1.1, "acknowledge"))
    assert phases(medium.take(observation(9, heart_rate=MEDIUM))) == []


def test_overdue_is_said_once_a_revision_and_not_if_it_was_answered_or_is_over() -> None:
    stream = started()
    assert phases(stream.take(observation(1.4999, heart_rate=MEDIUM))) == []
    messages = stream.take(*(observation(1.5 + i, heart_rate=MEDIUM) for i in range(3)))
    assert phases(messages) == [("overdue", "open", 1)]
    messages = stream.take(observation(5, heart_rate=HIGH), observation(5.2, heart_rate=HIGH))
    assert phases(messages) == [("escalate", "open", 2), ("overdue", "open", 2)]
    assert phases(stream.take(answer(5.3, "acknowledge", 2), observation(6, heart_rate=HIGH))) == [
        ("acknowledge", "acknowledged", 2)
    ]
    over = started()
    over.take(observation(1.1, heart_rate=QUIET))
    assert phases(over.take(observation(4, heart_rate=QUIET))) == []


def test_records_that_are_refused_pass_time_too() -> None:
    stream = Stream(HEART)
    stream.take(admission(-60), observation(1, heart_rate=MEDIUM), at=[-60, 1])
    messages = stream.take(observation(-59, heart_rate=90), at=[1.5])
    assert stream.rejections[-1][1] == "too_late"
    assert phases(messages) == [("overdue", "open", 1)]


def test_a_pause_is_said_with_every_phase_and_a_high_alert_breaks_through() -> None:
    stream = Stream(HEART)
    stream.take(admission(), observation(0.5, heart_rate=QUIET))
    (alert,) = stream.take(action(0.6, "pause", minutes=600, reason="treated"))
    assert (alert["alert_id"], alert["severity"], alert["paused"]) == (None, "none", True)
    start = stream.take(observation(1, heart_rate=MEDIUM))[-1]
    assert (start["phase"], start["state"], start["paused"]) == ("start", "paused", True)
    assert start["respond_by"] is None
    rise = stream.take(observation(2, heart_rate=HIGH))[-1]
    assert (rise["phase"], rise["state"], rise["paused"]) == ("escalate", "open", True)


def test_a_pause_ends_by_a_person_or_at_its_time() -> None:
    stream = started()
    stream.take(action(1.1, "pause", minutes=60, reason="procedure"))
    assert phases(stream.take(observation(2, heart_rate=MEDIUM))) == []
    messages = stream.take(observation(2.1, heart_rate=MEDIUM))
    assert phases(messages) == [("unpause", "open", 1)]
    assert messages[0]["respond_by"] == "2026-01-01T02:36:00Z"
    (alert,) = stream.take(action(2.2, "unpause"))
    assert alert["refusal"] == "not_paused"
    (alert,) = stream.take(action(2.3, "pause", minutes=721, reason="procedure"))
    assert alert["refusal"] == "too_long"


def test_a_medium_alert_is_information_while_an_antibiotic_is_running() -> None:
    stream = started()
    stream.take(medication(1.2, "start", **{"class": "antibiotic"}))
    assert phases(stream.take(observation(3, heart_rate=MEDIUM))) == []
    rise = stream.take(observation(3.1, heart_rate=HIGH))[-1]
    assert rise["treated"] == {"since": "2026-01-01T01:12:00Z"}
    assert rise["respond_by"] == "2026-01-01T03:16:00Z"


@pytest.mark.parametrize(
    ("alert_id", "kind", "refusal"),
    [
        ("p/2026-01-01T02:00:00Z/9", "acknowledge", "unknown_alert"),
        ("q/2026-01-01T01:00:00Z/1", "acknowledge", "unknown_alert"),
        ("nonsense", "feedback", "unknown_alert"),
        ("p/x/1", "resume", "not_last_alert"),
    ],
)
def test_an_action_on_another_alert_is_refused(alert_id: str, kind: str, refusal: str) -> None:
    stream = started()
    stream.take(observation(2, heart_rate=QUIET), observation(20, heart_rate=HIGH))
    fields = {"verdict": "true"} if kind == "feedback" else {}
    (alert,) = stream.take(action(20.05, kind, alert_id=alert_id, revision=1, **fields))
    assert (alert["phase"], alert["refusal"], alert["alert_id"]) == ("refused", refusal, alert_id)
    assert alert["current_revision"] is None


def test_an_action_that_comes_again_changes_nothing() -> None:
    stream = started()
    first = answer(1.1, "snooze", minutes=30, reason="busy")
    later = [answer(1.1 + i * MINUTE, "acknowledge") for i in range(1, 8)]
    stream.take(first, *later)
    before = stored(stream)
    assert stream.take(*[first] * 100, *later, first) == []
    assert stored(stream) == before


def stored(stream: Stream) -> bytes:
    (content,) = codec.encode(stream.table, stream.slot(), Era("m"))
    return content


def test_actions_move_no_clock_and_cause_no_risk() -> None:
    stream = started()
    fields = (
        "newest_ms", "open_bin", "interval", "evaluated_ms", "last_seen_day", "risk", "h", "c",
        "ring_value", "last_ms", "discharge_ms",
    )  # fmt: skip
    before = {name: np.copy(stream.field(name)) for name in fields}
    messages = stream.take(
        *(answer(1 + 500 * i, "acknowledge") for i in range(1, 4)),
        at=[1 + 500 * i for i in range(1, 4)],
    )
    assert not any("bin" in m for m in messages)
    for name in fields:
        assert before[name].tobytes() == np.copy(stream.field(name)).tobytes(), name
    assert stream.rejections == []


def test_an_action_of_a_patient_of_whom_nothing_is_known_is_rejected() -> None:
    stream = Stream(HEART)
    assert stream.take(answer(1, "acknowledge")) == []
    assert stream.rejections == [(0, "no_stay")]
    assert len(stream.table) == 0


@pytest.mark.parametrize("verdict", ["true", "false", "unsure"])
def test_a_verdict_is_an_outcome_of_the_same_record(verdict: str) -> None:
    stream = started()
    (alert,) = stream.take(answer(1.2, "feedback", verdict=verdict, reason="sepsis_confirmed"))
    (record,) = [m for m in stream.notices if m.kind == "verdict"]
    assert (alert["phase"], alert["verdict"]) == ("feedback", verdict)
    assert record.content == {
        "type": "verdict", "patient_id": "p", "time": "2026-01-01T01:12:00Z", "alert_id": ALERT,
        "verdict": verdict, "reason": "sepsis_confirmed", "by": {"user": "nurse"},
    }  # fmt: skip
    assert record.record == 0


def test_an_earlier_alert_can_still_be_judged() -> None:
    stream = started()
    stream.take(observation(2, heart_rate=QUIET), observation(20, heart_rate=HIGH))
    (alert,) = stream.take(answer(20.01, "feedback", verdict="false"))
    assert (alert["phase"], alert["alert_id"]) == ("feedback", ALERT)
    assert "revision" not in alert


# Everything that can happen to the response of a patient, in some order, with clocks of its own.
_KINDS = [
    *["vitals"] * 3, "acknowledge", "unacknowledge", "snooze", "resume", "pause", "unpause",
    "feedback", "antibiotic", "discharge", "transfer", "repeat",
]  # fmt: skip
_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(_KINDS),
        st.sampled_from([0.02, 0.1, 0.4, 1.1]),
        st.sampled_from([QUIET, MEDIUM, HIGH]),
        st.integers(1, 3),
    ),
    min_size=4,
    max_size=24,
)


def log_of(steps: list[tuple[str, float, int, int]]) -> tuple[list[Event], list[float]]:
    """Events of two patients, and the hours of their records."""
    events: list[Event] = [admission(0, "p", ward="W"), admission(0, "q")]
    hours, at = 0.5, [0.0, 0.0]
    for i, (kind, later, heart_rate, number) in enumerate(steps):
        patient = "pq"[i % 3 == 2]
        hours += later
        fields: Fields = {
            "alert_id": f"{patient}/2026-01-01T00:30:00Z/{number}", "revision": number,
        }  # fmt: skip
        match kind:
            case "vitals":
                events.append(observation(hours, patient, heart_rate=heart_rate))
            case "antibiotic":
                events.append(
                    event(hours, "medication", patient, drug="x", action="start",
                          **{"class": "antibiotic"})
                )  # fmt: skip
            case "discharge":
                events.append(discharge(hours, patient))
            case "transfer":
                events.append(event(hours, "transfer", patient, ward="V", bed=str(number)))
            case "repeat":
                events.append(events[-1])
            case "pause":
                events.append(action(hours, kind, patient, minutes=30, reason="treated"))
            case "unpause":
                events.append(action(hours, kind, patient))
            case _:
                more: dict[str, Fields] = {
                    "snooze": {"minutes": 20, "reason": "busy"}, "feedback": {"verdict": "true"},
                }  # fmt: skip
                events.append(action(hours, kind, patient, **fields, **more.get(kind, {})))
        at.append(hours)
    return events, at


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_EVENTS, st.lists(st.integers(1, 25), max_size=8))
def test_batches_cut_anyhow_give_the_same_bytes_and_states(
    steps: list[tuple[str, float, int, int]], ends: list[int]
) -> None:
    events, at = log_of(steps)
    whole, cut = Stream(HEART), Stream(HEART)
    whole.take(*events, at=at)
    cut.take(*events, at=at, ends=ends)
    assert bytes_of(whole.messages) == bytes_of(cut.messages)
    assert bytes_of(whole.notices) == bytes_of(cut.notices)
    for patient in whole.table:
        assert codec.encode(whole.table, whole.slot(patient), Era("m")) == codec.encode(
            cut.table, cut.slot(patient), Era("m")
        )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(_EVENTS, st.integers(1, 24))
def test_what_is_stored_goes_on_as_if_it_had_stayed_in_memory(
    steps: list[tuple[str, float, int, int]], split: int
) -> None:
    events, at = log_of(steps)
    split = min(split, len(events))
    whole, first, second = Stream(HEART), Stream(HEART), Stream(HEART)
    whole.take(*events, at=at)
    first.take(*events[:split], at=at[:split])
    contents = {p: codec.encode(first.table, first.slot(p), Era("m"))[0] for p in first.table}
    codec.decode(second.table, 0, contents, Era("m"))
    second.n = split
    second.take(*events[split:], at=at[split:])
    together = bytes_of(first.messages + second.messages)
    assert together == bytes_of(whole.messages)


def test_ids_of_messages_are_apart() -> None:
    """A pause and a snooze end at the record at which the alert rises."""
    stream = started()
    stream.take(
        action(1.1, "pause", minutes=30, reason="treated"),
        answer(1.1, "snooze", minutes=30, reason="busy"),
        observation(1.6, heart_rate=HIGH),
    )
    last = [m for m in stream.messages if m.content["offset"] == 4]
    assert [m.content.get("phase") for m in last] == ["unpause", "resume", None, "escalate"]
    cause = Record(0, 4, 0, b"p", b"")
    assert len({dict(headers(m, cause))["ce_id"] for m in last}) == 4
