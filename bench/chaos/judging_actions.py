"""People's actions after a chaos run: each that was accepted has one phase, and phases add up.

Written from `docs/messages.md`; it reads topics and knows nothing of the core.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bench.chaos.actions import Post
from bench.chaos.judging import Judgement
from bench.reading import read_log, read_partition, read_topic
from streamer.service.settings import Settings

Message = Mapping[str, Any]  # of `alerts`
Position = tuple[int, int]  # partition and offset of a record on the input

_EXAMPLES: Final = 5
_OF_PEOPLE: Final = (
    "acknowledge", "unacknowledge", "snooze", "resume", "pause", "unpause", "feedback", "refused",
)  # fmt: skip


class Written(NamedTuple):
    """A record of an action on the input; ``reason``: why it was rejected, empty if it was not."""

    action_id: str
    position: Position
    reason: str = ""


def judge_run(settings: Settings, posts: Sequence[Post]) -> Judgement:
    """Judges the actions and all alerts of a run whose services are at the end of the log."""
    reasons: dict[Position, str] = {}
    for record in read_topic(settings, settings.topic_rejected):
        headers = {name: value.decode() for name, value in record.headers}
        reasons[int(headers["partition"]), int(headers["offset"])] = headers["reason"]
    written: list[Written] = []
    messages: list[Message] = []
    for number in range(settings.partitions):
        for logged in read_log(settings, number):
            for r in logged:
                # Most are observations; only what may be an action is read.
                if r.value is not None and b'"action_id"' in r.value:
                    position = (number, r.offset)
                    action_id = json.loads(r.value)["action_id"]
                    written.append(Written(action_id, position, reasons.get(position, "")))
        for records in read_partition(settings, settings.topic_alerts, number):
            messages += [json.loads(record.value) for record in records]
    judgement = judge_actions(posts, written, messages)
    judgement.add(judge_responses(messages))
    return judgement


def judge_actions(
    posts: Sequence[Post], written: Iterable[Written], messages: Iterable[Message]
) -> Judgement:
    """Judges that each action that was accepted has one phase, of its first record.

    An action that reached a patient who had been let go is rejected as `no_stay` instead.

    Args:
        posts: what people sent.
        written: the records of actions, in the order of each partition.
        messages: of `alerts`.
    """
    result = _Result()
    phases: dict[str, list[Position]] = defaultdict(list)
    for message in messages:
        if "action_id" in message:
            phases[message["action_id"]].append((message["partition"], message["offset"]))
    records: dict[str, list[Written]] = defaultdict(list)
    for record in written:
        records[record.action_id].append(record)
    accepted = {post.action_id: post.is_accepted for post in posts}
    for action_id, is_accepted in accepted.items():
        of_it, phases_of_it = records[action_id], phases.pop(action_id, [])
        good = [record for record in of_it if not record.reason]
        kind = "accepted action" if is_accepted else "action without 202"
        result.equal(kind, True, bool(of_it) or not is_accepted, f"{action_id}: not in the log")
        result.equal(
            kind, min(len(good), 1), len(phases_of_it), f"{action_id}: phases {phases_of_it}"
        )
        if phases_of_it and good:
            result.equal("first record", good[0].position, phases_of_it[0], action_id)
        others = {record.reason for record in of_it} - {"", "no_stay"}
        result.equal("rejected action", set(), others, action_id)
    for action_id, phases_of_it in phases.items():
        result.equal("phase of no action", [], phases_of_it, action_id)
    return result.judgement


@dataclass
class _Alert:
    """One alert and its response, as its messages leave them."""

    is_on: bool = True
    revision: int = 0
    acknowledged: int = 0
    severity: str = "medium"
    is_snoozed: bool = False
    overdue: int = 0


def judge_responses(messages: Iterable[Message]) -> Judgement:
    """Judges `revision`, `acknowledged` and `state` of each message by those before it.

    Args:
        messages: of `alerts`, each partition in order.
    """
    result = _Result()
    alerts: dict[str, _Alert] = {}
    for message in messages:
        name, phase = message["alert_id"], message["phase"]
        if name is None or "revision" not in message:
            continue  # of a patient without an alert, or of an earlier alert
        if phase == "start":
            result.equal("one start", False, name in alerts, name)
            alerts[name] = _Alert()
        alert = alerts.get(name)
        if alert is None:
            result.equal("a start first", True, False, f"{name} {phase}")
            continue
        _take(alert, message, result)
        numbers = (message["revision"], message["acknowledged"])
        result.equal("response", (alert.revision, alert.acknowledged), numbers, f"{name} {phase}")
        result.equal("state", True, message["state"] in _states(alert, message), f"{name} {phase}")
        result.equal("by a person", True, phase in _OF_PEOPLE or "by" not in message, name)
    return result.judgement


def _take(alert: _Alert, message: Message, result: _Result) -> None:
    """What a phase does to an alert."""
    phase, where = message["phase"], f"{message['alert_id']} {message['phase']}"
    asked = alert.revision - 1  # of an alert that is open again
    was_answered = alert.is_snoozed or alert.acknowledged >= alert.revision
    match phase:
        case "start" | "escalate":
            alert.revision += 1
            alert.is_on, alert.is_snoozed, alert.severity = True, False, message["severity"]
        case "end":
            result.equal("an end of what is on", True, alert.is_on, where)
            alert.is_on = alert.is_snoozed = False
        case "acknowledge":
            # Of an older revision less is acknowledged: the message says how much, never less
            # than before, since an acknowledgement is a maximum.
            alert.acknowledged = min(
                max(alert.acknowledged, message["acknowledged"]), alert.revision
            )
            alert.is_snoozed &= alert.acknowledged < alert.revision
        case "unacknowledge" | "resume" if alert.is_on:
            if "by" not in message:
                result.equal("a deadline of what was answered", True, was_answered, where)
            alert.acknowledged, alert.is_snoozed = min(alert.acknowledged, asked), False
        case "snooze" if message["snoozed_until"] is not None:
            alert.is_snoozed, alert.acknowledged = True, min(alert.acknowledged, asked)
        case "overdue":
            late_once = alert.is_on and not was_answered and alert.overdue < alert.revision
            result.equal("overdue once a revision", True, late_once, where)
            alert.overdue = alert.revision


def _states(alert: _Alert, message: Message) -> tuple[str, ...]:
    """The states that a message may have."""
    is_seen = alert.acknowledged >= alert.revision
    if not alert.is_on:
        return ("closed",) if is_seen else ("closed", "ended_unseen")
    if message["paused"] and alert.severity == "medium":
        return ("paused",)
    if message["snoozed_until"] is not None:
        return ("snoozed",)
    return ("acknowledged",) if is_seen else ("open",)


@dataclass
class _Result:
    """Counts comparisons and what is wrong."""

    judgement: Judgement = field(default_factory=lambda: Judgement(Counter(), Counter(), []))

    def equal(self, kind: str, wanted: object, read: object, note: str) -> None:
        """Counts one comparison."""
        self.judgement.checked[kind] += 1
        if wanted != read:
            self.judgement.faults[kind] += 1
            if self.judgement.faults[kind] <= _EXAMPLES:
                self.judgement.examples.append(f"{kind}: {wanted} wanted, {read}: {note}")
