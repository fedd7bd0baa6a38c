"""Some thousand mutated events are answered; `python -m bench.mutated_events` takes 100,000."""

from __future__ import annotations

import pytest

from bench import mutated_events
from bench.mutated_events import Unanswered, answers
from streamer.core.columns import Columns, decode
from streamer.core.reasons import Reason
from streamer.core.records import Record
from tests.support.small_models import random_model


def test_each_mutated_event_is_taken_or_rejected_with_a_reason() -> None:
    counts = answers(random_model(3), 4_000, seed=7)
    refused = {reason: counts[reason.value] for reason in Reason if counts[reason.value]}
    assert counts["taken"] + sum(refused.values()) == 4_000
    assert counts["taken"] > 800
    assert counts["message"] > 400
    for reason in (
        Reason.EMPTY, Reason.TOO_LARGE, Reason.NOT_JSON, Reason.INVALID_UTF8, Reason.WRONG_TYPE,
        Reason.NO_PATIENT, Reason.NO_TIME, Reason.BAD_TIME, Reason.NO_KEY, Reason.KEY_MISMATCH,
        Reason.TOO_LATE,
    ):  # fmt: skip
        assert refused[reason] > 0, reason


def test_an_event_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(batch: list[Record], limit_ms: int | None) -> Columns:
        return decode(batch[1:], limit_ms)

    monkeypatch.setattr(mutated_events, "decode", forgetful)
    with pytest.raises(Unanswered, match="neither taken nor rejected"):
        answers(random_model(3), 50, seed=7)
