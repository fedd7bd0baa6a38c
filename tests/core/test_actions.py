from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.core.actions import MAX_ACTION_BYTES, BadActionError, read_action, sign
from streamer.core.columns import decode
from streamer.core.events import Fields
from streamer.core.reasons import Reason
from tests.support.event_stream import Event, action, record

ALERT = {"alert_id": "p/2026-01-01T01:00:00Z/1", "revision": 1}


def bad(**fields: Any) -> Event:
    return action(1, "snooze", **{**ALERT, "minutes": 15, "reason": "busy", **fields})


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"action": "silence"}, "action"),
        ({"action_id": "1"}, "action_id"),
        ({"action_id": None}, "action_id"),
        ({"alert_id": None}, "alert_id"),
        ({"revision": 0}, "revision"),
        ({"revision": True}, "revision"),
        ({"revision": None}, "revision"),
        ({"minutes": None}, "minutes"),
        ({"minutes": 1.5}, "minutes"),
        ({"reason": None}, "reason"),
        ({"reason": "Not a code"}, "reason"),
        ({"note": "x" * 201}, "note"),
        ({"actor": None}, "actor"),
        ({"actor": {"name": "A"}}, "actor.user"),
        ({"actor": {"user": 7}}, "actor.user"),
        ({"action": "pause", "reason": "tired"}, "reason"),
        ({"action": "feedback", "verdict": True}, "verdict"),
    ],
)
def test_what_is_wrong_is_named(fields: Fields, word: str) -> None:
    with pytest.raises(BadActionError, match=f"^{word}:"):
        read_action(bad(**fields))


def test_an_action_that_is_too_large_is_rejected() -> None:
    large = record(bad(padding="x" * MAX_ACTION_BYTES))
    (rejection,) = decode([large], None).rejections
    assert rejection.reason is Reason.TOO_LARGE


def test_only_signed_actions_are_taken_where_there_is_a_key() -> None:
    plain = record(bad())
    value = json.dumps(bad()).encode()
    signed = plain._replace(value=value, action_mac=sign(b"key", value))
    other = signed._replace(action_mac=sign(b"other", value))
    observed = record({"patient_id": "p", "time": 1_767_225_600_000, "values": {"ph": 7.3}})
    columns = decode([plain, signed, other, observed], None, action_key=b"key")
    assert [(r.record, r.reason) for r in columns.rejections] == [
        (0, Reason.UNSIGNED_ACTION), (2, Reason.UNSIGNED_ACTION),
    ]  # fmt: skip
    assert columns.record.tolist() == [1, 3]
    assert decode([plain], None).rejections == []
