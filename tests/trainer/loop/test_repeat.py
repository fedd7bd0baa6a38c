from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamer.bundles.acceptance import Trust
from tests.support.small_models import random_bundle, useless_champion
from trainer.errors import InputError
from trainer.loop import repeat as repeating
from trainer.loop.child import Made, Order, Report
from trainer.loop.child_process import ChildEnd, Limits, NoReport
from trainer.loop.promoting import note_promoted, refuse_closed
from trainer.loop.record import CandidateResult, DataFacts, GateResult, Records, RunRecord, Source
from trainer.loop.repeat import repeat
from trainer.loop.service import last_started, n_at_last_run
from trainer.registry.registry import Registry

FACTS = DataFacts(sources=[Source(name="archive:/a@3.4", now_ms=17)], n_stays=500)
CANDIDATE = random_bundle(5)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    kept = Registry(tmp_path / "registry", Trust(allow_unsigned=True))
    kept.promote(kept.add(useless_champion(), ""), "")
    kept.add(CANDIDATE, "")
    return kept


@pytest.fixture
def asks(registry: Registry) -> RunRecord:
    """A run whose candidate passed every gate."""
    records = Records(registry.folder)
    record = records.new("schedule")
    record.state, record.ended, record.data = "ended", "asks", FACTS
    record.candidate = CANDIDATE.model_id
    record.candidates = [
        CandidateResult(
            kind="fitted",
            model=CANDIDATE.model_id,
            gates=[GateResult(name="utility", verdict="pass", text="")],
        )
    ]
    records.write(record)
    return record


def repeated(
    earlier: RunRecord,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    end: Report | NoReport,
) -> tuple[RunRecord, Order]:
    orders: list[Order] = []

    def child(order: Order, *_: object) -> Report | NoReport:
        orders.append(order)
        return end

    monkeypatch.setattr(repeating, "run_child", child)
    return repeat(earlier, registry, Limits(), threading.Event()), orders[0]


def report(folder: Path, seed: int) -> Report:
    random_bundle(seed).save(folder)
    return Report(facts=FACTS, made=[Made(kind="fitted", folder=str(folder))])


def test_a_repeat_reads_the_same_versions_and_says_what_differs(
    registry: Registry, asks: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    same, order = repeated(asks, registry, monkeypatch, report(tmp_path / "same", 5))
    assert (order.sources, order.fold) == (FACTS.sources, [])
    assert (same.ended, same.why, same.reproducible) == ("kept", "the same candidates", True)
    other, _ = repeated(asks, registry, monkeypatch, report(tmp_path / "other", 6))
    assert (other.ended, other.reproducible) == ("kept", False)
    assert other.why == f"fitted is {random_bundle(6).shown_id}, was {CANDIDATE.shown_id}"


def test_what_was_repeated_is_promoted_by_the_gates_of_its_run(
    registry: Registry, asks: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    again, _ = repeated(asks, registry, monkeypatch, report(tmp_path / "same", 5))
    refuse_closed(registry, CANDIDATE.model_id)
    note_promoted(registry, CANDIDATE.model_id, "Dr. A", "read it")
    records = Records(registry.folder)
    assert (records.find(asks.id).ended, records.find(asks.id).by) == ("promoted", "Dr. A")
    assert records.find(again.id) == again


def test_a_repeat_moves_neither_the_schedule_nor_the_count_of_stays(
    registry: Registry, asks: RunRecord, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records = Records(registry.folder)
    asks.started = datetime(2026, 7, 1, 3, tzinfo=UTC).isoformat()
    asks.data = FACTS.model_copy(update={"n_stays": 1_000})
    records.write(asks)
    repeated(asks, registry, monkeypatch, report(tmp_path / "same", 5))
    assert n_at_last_run(records.all()) == 1_000
    assert last_started(records.all()) == datetime(2026, 7, 1, 3, tzinfo=UTC)


def test_a_repeat_without_a_report_is_on_record_with_its_end(
    registry: Registry, asks: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, ended in ((ChildEnd.STOPPED, "stopped"), (ChildEnd.FAILED, "failed")):
        record, _ = repeated(asks, registry, monkeypatch, NoReport(kind, "why"))
        kept = Records(registry.folder).find(record.id)
        assert (kept.ended, kept.why, kept.state) == (ended, "why", "ended")


def test_a_run_that_made_nothing_is_not_repeated(registry: Registry) -> None:
    waiting = Records(registry.folder).new("schedule")
    waiting.ended = "waiting"
    with pytest.raises(InputError, match="made no candidate: it ended waiting"):
        repeat(waiting, registry, Limits(), threading.Event())
