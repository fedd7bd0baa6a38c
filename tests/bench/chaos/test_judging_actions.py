"""Actions with one phase each have no fault; one phase too few, too many or wrong is noticed."""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable

import pytest

from bench.chaos.actions import Post
from bench.chaos.judging_actions import Written, judge_actions, judge_responses
from streamer.core.alert_messages import Content
from tests.support.event_stream import HeartRateModel, Stream, action, admission, observation

KINDS = ("acknowledge", "unacknowledge", "snooze", "resume", "pause", "unpause", "feedback")
FIELDS: dict[str, Content] = {
    "snooze": {"minutes": 20, "reason": "busy"},
    "pause": {"minutes": 30, "reason": "treated"},
    "feedback": {"verdict": "true"},
}


def responses(seed: int) -> list[Content]:
    """Alert messages of a patient whose alerts come and go, answered at random."""
    draws, stream, hours = random.Random(seed), Stream(HeartRateModel()), 1.0
    stream.take(admission(), at=[0])
    messages: list[Content] = []
    for _ in range(60):
        hours += draws.choice((0.02, 0.2, 0.7))
        if draws.random() < 0.5:
            event = observation(hours, heart_rate=draws.choice((80, 102, 120)))
        else:
            kind = draws.choice(KINDS)
            last: Content = next((m for m in reversed(messages) if "alert_id" in m), {})
            revision = draws.randint(1, last.get("revision", 1))
            fields = FIELDS.get(kind, {}) | {"alert_id": last.get("alert_id", "p/x/1")}
            event = action(hours, kind, revision=revision, **fields)
        messages += [m for m in stream.take(event, at=[hours]) if "phase" in m]
    return messages


def test_right_responses_have_no_fault() -> None:
    checked = 0
    for seed in range(6):
        judgement = judge_responses(responses(seed))
        assert not judgement.faults, judgement.examples
        checked += judgement.checked["response"]
    assert checked > 100


@pytest.mark.parametrize(
    ("phase", "state", "change"),
    [
        ("start", "open", {"revision": 2}),
        ("escalate", "open", {"acknowledged": 2, "state": "acknowledged"}),
        ("acknowledge", "acknowledged", {"state": "open"}),
        ("snooze", "snoozed", {"acknowledged": 1}),
        ("end", "ended_unseen", {"state": "open"}),
        ("overdue", "open", {"revision": 9}),
        ("pause", "paused", {"state": "closed"}),
    ],
)
def test_one_wrong_response_is_noticed(phase: str, state: str, change: Content) -> None:
    messages = next(m for seed in range(60) if where(m := responses(seed), phase, state))
    wrong = copy.deepcopy(messages)
    wrong[where(messages, phase, state)[0]] |= change
    assert judge_responses(wrong).faults


def test_an_alert_that_is_overdue_twice_is_noticed() -> None:
    messages = next(m for seed in range(60) if where(m := responses(seed), "overdue", "open"))
    at = where(messages, "overdue", "open")[0]
    judgement = judge_responses([*messages[: at + 1], *messages[at:]])
    assert "overdue once a revision" in judgement.faults


def where(messages: list[Content], phase: str, state: str) -> list[int]:
    """The indices of messages of a phase and state."""
    return [i for i, m in enumerate(messages) if (m["phase"], m.get("state")) == (phase, state)]


ONE, TWO, LOST, LATE = (str(uuid.UUID(int=i, version=4)) for i in range(4))
POSTS = [Post(ONE, True), Post(TWO, True), Post(LOST, False), Post(LATE, True)]


def right() -> tuple[list[Written], list[Content]]:
    """One was written twice; two once; the lost one not; the late one to nobody."""
    written = [
        Written(ONE, (0, 4)), Written(TWO, (1, 4)), Written(ONE, (0, 9)),
        Written(LATE, (0, 10), "no_stay"),
    ]  # fmt: skip
    messages = [
        {"action_id": ONE, "partition": 0, "offset": 4, "phase": "acknowledge"},
        {"action_id": TWO, "partition": 1, "offset": 4, "phase": "refused"},
        {"phase": "start", "partition": 1, "offset": 3},
    ]
    return written, messages


def test_each_accepted_action_has_one_phase() -> None:
    written, messages = right()
    judgement = judge_actions(POSTS, written, messages)
    assert not judgement.faults
    assert judgement.checked["accepted action"] == 6


Wrong = Callable[[list[Written], list[Content]], None]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda _, messages: messages.pop(0), "accepted action"),
        (lambda _, messages: messages.append(dict(messages[0])), "accepted action"),
        (lambda written, _: written.pop(1), "accepted action"),
        (lambda _, messages: messages[0].update(offset=9), "first record"),
        (lambda _, messages: messages[1].update(action_id="?"), "phase of no action"),
        (lambda written, _: written.append(Written(LOST, (0, 11))), "action without 202"),
        (
            lambda written, _: written.append(Written(TWO, (0, 12), "wrong_type")),
            "rejected action",
        ),
    ],
)
def test_a_phase_too_few_or_too_many_is_noticed(change: Wrong, kind: str) -> None:
    written, messages = right()
    change(written, messages)
    assert kind in judge_actions(POSTS, written, messages).faults
