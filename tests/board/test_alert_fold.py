from __future__ import annotations

from typing import Any

import orjson
import pytest

from streamer.board.alert_fold import MOST_MESSAGES, AlertFold
from streamer.board.messages import AlertMessage, epoch_ms, read
from streamer.core.alert_messages import Content
from tests.support.board import REASON, alert, at


def folded(*contents: Content) -> AlertFold:
    messages = [read(AlertMessage, orjson.dumps(content)) for content in contents]
    assert messages[0] is not None
    fold = AlertFold.of(messages[0])
    for message in messages:
        assert message is not None
        fold.add(message)
    return fold


BY = {"user": "a.nurse", "name": "Anna", "role": "nurse", "how": "session", "station": "x"}


def test_without_the_response_revision_and_end_follow_from_phases() -> None:
    fold = folded(
        alert("start", reasons=[REASON]), alert("escalate", 5, severity="high"), alert("end", 9)
    )
    assert (fold.revision, fold.acknowledged, fold.severity) == (2, 0, "medium")
    assert fold.started_ms == epoch_ms(at(-60)), "the start is in the id"
    assert fold.ended_ms == epoch_ms(at(9))
    assert [reason.variable for reason in fold.reasons] == ["lactate"], "later ones have none"


def test_the_response_of_a_message_is_taken_as_it_is() -> None:
    fold = folded(
        alert("start", revision=1, acknowledged=0, state="open", respond_by=at(30)),
        alert("acknowledge", 2, revision=1, acknowledged=1, state="acknowledged", by=BY,
              severity="none"),
    )  # fmt: skip
    assert fold.severity == "medium", "that of the alert"
    assert (fold.state, fold.acknowledged, fold.acknowledged_by) == ("acknowledged", 1, "a.nurse")
    assert fold.acknowledged_ms == epoch_ms(at(2))
    assert fold.respond_by_ms is None, "nobody is asked any more"


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_an_acknowledgement_of_the_revision_before_leaves_a_rise_open(order: Any) -> None:
    messages = [
        alert("start", revision=1, acknowledged=0, state="open"),
        alert("escalate", 1, revision=2, acknowledged=0, state="open", severity="high"),
        alert("acknowledge", 2, revision=2, acknowledged=1, state="open", by=BY),
    ]
    fold = folded(*(messages[i] for i in order))
    assert (fold.revision, fold.acknowledged, fold.state) == (2, fold.acknowledged, "open")
    assert fold.acknowledged < fold.revision


def test_snoozes_and_verdicts_move_nothing_on_the_list() -> None:
    fold = folded(alert("start", revision=1), alert("snooze", 3, snoozed_until=at(18), by=BY))
    assert fold.changed_ms == epoch_ms(at(0))
    assert fold.snoozed_until_ms == epoch_ms(at(18))
    fold = folded(alert("start"), alert("feedback", 4, verdict="false", by=BY))
    assert (fold.phase, fold.changed_ms) == ("start", epoch_ms(at(0)))


def test_a_refused_action_changes_nothing_but_the_history() -> None:
    fold = folded(
        alert("start", revision=1, state="open"),
        alert("refused", 4, refusal="too_long", state="closed", revision=9, by=BY),
    )
    assert (fold.revision, fold.state) == (1, "open")
    assert [m.refusal for m in fold.messages] == [None, "too_long"]


def test_an_acknowledgement_that_was_taken_back_is_nobodys() -> None:
    fold = folded(alert("start"), alert("acknowledge", 1, by=BY), alert("unacknowledge", 2, by=BY))
    assert (fold.acknowledged, fold.acknowledged_by) == (0, None)


def test_answers_without_end_cost_no_memory_and_no_message_of_vitals() -> None:
    answers = [alert("acknowledge", i, revision=1, by=BY) for i in range(MOST_MESSAGES + 50)]
    fold = folded(alert("start"), *answers[:-1], alert("escalate", 400), answers[-1])
    assert len(fold.messages) == MOST_MESSAGES
    phases = [message.phase for message in fold.messages]
    assert (phases[0], phases[-2:]) == ("start", ["escalate", "acknowledge"])
