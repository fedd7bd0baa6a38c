from __future__ import annotations

import errno
import shutil
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from bench.archived_log import archive, brokers
from streamer.adapters.memory.models import MemoryModels
from streamer.bundles.acceptance import Trust
from streamer.feeds.replay import replay
from tests.support.free_lease import FreeLease
from tests.support.small_models import useless_champion
from tests.support.synthetic_cohort import learnable_file
from trainer.archive.delta_table import ArchiveTable
from trainer.archive.schemas import STAYS
from trainer.archive.source import SCHEME
from trainer.data.cohort import load_cohort
from trainer.loop import record as records_module
from trainer.loop import runs, schedule
from trainer.loop.child import Order, Report
from trainer.loop.child_process import ChildEnd, NoReport
from trainer.loop.plan import Plan
from trainer.loop.record import DataFacts, RunRecord
from trainer.loop.runs import Retraining
from trainer.loop.service import Service, is_due, last_started
from trainer.registry.freeze import freeze, thaw
from trainer.registry.registry import Registry

FULL = OSError(errno.ENOSPC, "No space left on device")
YEARLY = schedule.cron_trigger("0 3 1 1 *")


def record(n_stays: int, ended: str, started: str = "2026-07-01T03:00:00+00:00") -> RunRecord:
    facts = DataFacts(sources=[], n_stays=n_stays)
    return RunRecord.model_validate(
        {"id": started, "reason": "", "started": started, "ended": ended, "data": facts}
    )


def tried(counted: int, ended: str) -> RunRecord:
    return RunRecord.model_validate(
        {"id": "", "reason": "", "started": "", "ended": ended, "counted": counted}
    )


def test_a_run_is_due_at_n_new_stays_and_not_before() -> None:
    records = [record(400, "kept"), record(900, "failed")]
    assert not is_due(499, records, 100)
    assert is_due(500, records, 100)  # what a failed run saw was not learned from
    assert not is_due(99, [], 100)
    assert is_due(100, [], 100)


def test_a_count_is_not_tried_again_unless_sigterm_ended_its_run() -> None:
    for ended in ("failed", "skipped", "fenced", "lost", ""):
        records = [record(400, "kept"), tried(500, ended)]
        assert not is_due(599, records, 100), ended
        assert is_due(600, records, 100), ended
    assert is_due(500, [record(400, "kept"), tried(500, "stopped")], 100)


def test_a_skipped_run_is_none() -> None:
    records = [record(1, "kept"), record(1, "skipped", "2026-07-02T03:00:00+00:00")]
    assert last_started(records) == datetime(2026, 7, 1, 3, tzinfo=UTC)
    assert last_started([]) is None


class Child:
    """Counts so many stays, and fails at making."""

    def __init__(self) -> None:
        self.n_stays = 500
        self.orders: list[Order] = []

    def __call__(self, order: Order, *_: object) -> Report | NoReport:
        self.orders.append(order)
        if order.what == "count":
            return Report(facts=DataFacts(sources=[], n_stays=self.n_stays))
        return NoReport(ChildEnd.FAILED, "out of memory")


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    child = Child()
    monkeypatch.setattr(runs, "run_child", child)
    return child


@pytest.fixture
def retraining(tmp_path: Path) -> Retraining:
    registry = Registry(tmp_path / "registry", Trust(allow_unsigned=True))
    registry.promote(registry.add(useless_champion(), ""), "")
    plan = Plan([str(tmp_path / "stays.parquet")])
    return Retraining(plan, registry, MemoryModels(), FreeLease(), threading.Event())


def test_a_count_that_cannot_end_well_is_one_record(retraining: Retraining, child: Child) -> None:
    service = Service(retraining, YEARLY, 100)
    ran = service.look()
    assert ran is not None
    assert (ran.ended, ran.reason, ran.counted) == ("failed", "500 new stays", 500)
    for n_stays, is_tried in ((500, False), (599, False), (600, True), (600, False)):
        child.n_stays = n_stays
        assert (service.look() is not None) == is_tried
    assert [r.counted for r in retraining.records.all()] == [500, 600]
    assert [order.what for order in child.orders].count("make") == 2


def test_nothing_is_counted_while_frozen_or_without_room(
    retraining: Retraining, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, service = retraining.records.folder.parent, Service(retraining, YEARLY, 100)
    freeze(folder, "Dr. A", "new monitors")
    assert service.look() is None
    thaw(folder)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
        assert service.look() is None
    assert (child.orders, retraining.records.all()) == ([], [])
    assert service.look() is not None


def full(*_: object, **__: object) -> None:
    raise FULL


def test_a_full_disk_for_temporary_files_leaves_the_count_for_later(
    retraining: Retraining, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with capture_logs() as logs:
        assert Service(retraining, YEARLY, 100).look() is None
    assert [entry["event"] for entry in logs] == ["stays not counted"]
    assert child.orders == []


@pytest.mark.parametrize("has_room", [True, False])
def test_a_disk_that_takes_nothing_does_not_end_the_service(
    retraining: Retraining, child: Child, monkeypatch: pytest.MonkeyPatch, *, has_room: bool
) -> None:
    missed = retraining.records.new("schedule")
    missed.started, missed.ended = "2020-01-01T00:00:00+00:00", "failed"
    retraining.records.write(missed)
    monkeypatch.setattr(records_module, "write_atomically", full)
    monkeypatch.setattr(Registry, "_write", full)  # noting the published version
    if not has_room:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    stop = threading.Event()
    stop.set()
    with capture_logs() as logs:
        Service(retraining, YEARLY, 100).serve(stop)
    (ended, *_) = [entry for entry in logs if entry["event"] == "retraining ended"]
    assert ended["reason"].startswith("missed ")
    assert ended["ended"] == ("failed" if has_room else "skipped")
    assert ("No space left" if has_room else "0 MB are free") in ended["why"]
    assert "the run's record is not written" in [entry["event"] for entry in logs]
    assert [order.what for order in child.orders if order.what == "make"] == []


def test_a_count_folds_an_archive_only_when_its_fold_may_lack_stays_that_count(
    retraining: Retraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.loop.making import make  # noqa: PLC0415 - PyTorch takes two seconds to load

    stays = load_cohort([learnable_file(tmp_path, 12)])
    root = tmp_path / "archive"
    archive(root, brokers(replay(stays, 1_767_225_600_000)))
    retraining.plan = Plan([f"{SCHEME}{root}"])

    def child(order: Order, folder: Path, *_: object) -> Report:
        return make(order, folder)

    monkeypatch.setattr(runs, "run_child", child)
    versions = []
    for hours in (None, None, 71.9, 72.1):
        if hours is not None:
            monkeypatch.setattr(ArchiveTable, "hours_of_oldest_file", lambda _, h=hours: h)
        assert retraining.count() == 12
        versions.append(ArchiveTable(root, STAYS).version)
    first = versions[0]
    assert versions == [first, first, first, first + 1]
