from __future__ import annotations

from datetime import UTC, datetime

from trainer.loop.record import DataFacts, RunRecord
from trainer.loop.service import is_due, last_started


def record(n_stays: int, ended: str, started: str = "2026-07-01T03:00:00+00:00") -> RunRecord:
    facts = DataFacts(sources=[], n_stays=n_stays)
    return RunRecord.model_validate(
        {"id": started, "reason": "", "started": started, "ended": ended, "data": facts}
    )


def test_a_run_is_due_at_n_new_stays_and_not_before() -> None:
    records = [record(400, "kept"), record(900, "failed")]
    assert not is_due(499, records, 100)
    assert is_due(500, records, 100)  # what a failed run saw was not learned from
    assert not is_due(99, [], 100)
    assert is_due(100, [], 100)


def test_a_skipped_run_is_none() -> None:
    records = [record(1, "kept"), record(1, "skipped", "2026-07-02T03:00:00+00:00")]
    assert last_started(records) == datetime(2026, 7, 1, 3, tzinfo=UTC)
    assert last_started([]) is None
