from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from structlog.testing import capture_logs

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import Trust
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from streamer.ports.models import Champion
from tests.support.few_stays import ASKS, FEW, OnFewStays
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_bundle, useless_champion
from tests.support.synthetic_cohort import KNOBS, learnable_file
from tests.support.wait import wait_until
from trainer.loop import runs
from trainer.loop.child import Order, Report
from trainer.loop.child_process import ChildEnd, NoReport
from trainer.loop.plan import Plan, order_of
from trainer.loop.promoting import GateClosed, note_promoted, refuse_closed
from trainer.loop.record import Records, RunRecord
from trainer.registry.freeze import freeze, thaw
from trainer.registry.lease import Lease
from trainer.registry.policy import PolicyInForce
from trainer.registry.registry import Registry

Child = Callable[..., Report | NoReport]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    file = learnable_file(tmp_path_factory.mktemp("data"), 160)
    return Plan([str(file)], KNOBS, n_bootstrap=0)


@pytest.fixture(scope="module")
def report(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What a child leaves: the useless champion beaten."""
    # Loaded here: PyTorch takes two seconds of each process that collects tests.
    from trainer.loop.making import make  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("registry")
    champion = useless_champion()
    champion.save(folder / "bundles" / champion.model_id)
    order = order_of(plan, PolicyInForce(FEW), folder, champion.model_id)
    with drawing_nothing():
        made = make(order, folder / "run")
    # As it comes back from another process.
    return Report.model_validate_json(made.model_dump_json())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    kept = Registry(tmp_path / "registry", Trust(allow_unsigned=True))
    kept.promote(kept.add(useless_champion(), ""), "")
    return kept


@pytest.fixture
def redis(stack: LocalStack) -> Iterator[Redis]:
    client = Redis.from_url(stack.redis, socket_timeout=10)
    yield client
    client.close()


Start = Callable[..., OnFewStays]


@pytest.fixture
def start(
    plan: Plan,
    report: Report,
    registry: Registry,
    redis: Redis,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    def make_one(child: Child = lambda *_: report, client: Redis = redis) -> OnFewStays:
        monkeypatch.setattr(runs, "run_child", child)
        channel, lease = RedisModels(client, topic_prefix), Lease(client, topic_prefix)
        return OnFewStays(plan, registry, channel, lease, threading.Event())

    return make_one


def test_all_three_kinds_are_made_and_the_fit_learns(report: Report) -> None:
    assert [made.kind for made in report.made] == ["recalibrated", "fine-tuned", "fitted"]
    assert "does not say how" in report.made[0].why  # the useless champion has no card
    fitted = report.made[-1].evidence
    assert fitted is not None
    assert fitted.candidate["utility"] > fitted.champion["utility"] == 0
    tuned = bundles.load(Path(report.made[1].folder))
    assert tuned.manifest["started_from"] == useless_champion().model_id
    assert tuned.manifest["split"]["decided"] is True
    assert report.facts.deciding[1] == fitted.n_septic > 1
    assert report.facts.learned_from < report.facts.n_septic


def test_by_default_a_person_is_asked_and_promotes_by_name(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    retraining = start()
    retraining.few = ASKS
    with capture_logs() as logs:
        record = retraining.once()
    assert record.ended == "asks", record
    assert record.candidate is not None
    channel = RedisModels(redis, topic_prefix)
    assert channel.champion() == Champion(useless_champion().model_id, 1)
    assert registry.aliases().challenger == record.candidate
    (line,) = [entry for entry in logs if entry["event"] == "retraining ended"]
    assert set(line["gates"].values()) == {"pass"}

    refuse_closed(registry, record.candidate)
    registry.promote(record.candidate, "read it")
    note_promoted(registry, record.candidate, "Dr. A", "read it")
    kept = Records(registry.folder).find(record.id)
    assert (kept.ended, kept.by) == ("promoted", "Dr. A")
    json.loads((registry.folder / "runs" / record.id / "run.json").read_text())


def test_automatic_promotes_the_best_that_passes_and_not_twice_in_a_month(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    record = start().once()
    assert (record.ended, record.by, record.version) == ("promoted", "policy", 2)
    best = max(c.utility or 0 for c in record.candidates if c.passes)
    assert [c.model for c in record.candidates if c.utility == best] == [record.candidate]
    channel = RedisModels(redis, topic_prefix)
    assert channel.champion() == Champion(record.candidate or "", 2)
    assert registry.aliases().before == (useless_champion().model_id,)

    slow = start()
    pace = FEW.pace.model_copy(update={"least_days_between": 28.0})
    slow.few = FEW.model_copy(update={"pace": pace})
    again = slow.once()
    assert again.ended in ("asks", "kept")
    assert channel.champion() == Champion(record.candidate or "", 2)
    assert again.looks == 1


def test_a_candidate_that_fails_a_gate_is_kept_out_without_force(
    start: Start, registry: Registry
) -> None:
    retraining = start()
    quality = FEW.quality.model_copy(update={"utility_margin": -2.0})  # nothing is that much better
    retraining.few = FEW.model_copy(update={"quality": quality})
    record = retraining.once()
    assert record.ended == "kept"
    assert record.candidate is not None
    assert "utility" in record.why
    with pytest.raises(GateClosed, match="utility"):
        refuse_closed(registry, record.candidate)
    assert registry.aliases().challenger == record.candidate


def test_an_unaccepted_policy_promotes_nothing(start: Start, registry: Registry) -> None:
    retraining = start()
    changed = PolicyInForce(FEW, "few", unaccepted="policy.toml is not the accepted one")
    retraining.policy = lambda: changed  # type: ignore[method-assign]
    record = retraining.once()
    assert record.ended == "asks"
    assert "not the accepted one" in record.why
    assert registry.aliases().champion == useless_champion().model_id


def test_frozen_nothing_begins_until_a_person_thaws(start: Start, registry: Registry) -> None:
    freeze(registry.folder, "Dr. A", "new monitors")
    record = start().once()
    assert (record.ended, record.candidates) == ("skipped", [])
    assert "Dr. A" in record.why
    assert thaw(registry.folder).reason == "new monitors"
    assert start().once().ended == "promoted"


def test_too_few_stays_make_nothing(start: Start, report: Report) -> None:
    few = report.model_copy(update={"made": [], "waiting": "3 septic stays"})
    record = start(lambda *_: few).once()
    assert (record.ended, record.why) == ("waiting", "3 septic stays")


def test_an_empty_registry_begins_with_the_shipped_bundle(
    start: Start, tmp_path: Path, redis: Redis, topic_prefix: str
) -> None:
    retraining = start()
    retraining._registry = Registry(tmp_path / "new", Trust(allow_unsigned=True))
    in_force = retraining.begin()
    assert in_force == Champion(bundles.load(SHIPPED).model_id, 1)
    assert RedisModels(redis, topic_prefix).champion() == in_force


def test_without_redis_training_goes_on_and_publishes_next_time(
    start: Start, redis: Redis, topic_prefix: str
) -> None:
    assert start().begin() is not None
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    record = start(client=nowhere).once()
    assert (record.ended, record.version, record.fence) == ("promoted", None, 0)
    channel = RedisModels(redis, topic_prefix)
    assert channel.champion() != Champion(record.candidate or "", 2)
    assert start().begin() == channel.champion() == Champion(record.candidate or "", 2)


def test_of_two_trainers_one_is_skipped_and_both_are_on_record(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    first = Lease(redis, topic_prefix)
    assert first.acquire()
    assert start().once().ended == "skipped"
    assert first.renew()  # the second did not give it back
    first.release()
    assert start().once().ended == "promoted"
    assert [r.ended for r in Records(registry.folder).all()] == ["skipped", "promoted"]


def test_another_trainers_publication_during_training_stands(
    start: Start, report: Report, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    channel, other = RedisModels(redis, topic_prefix), random_bundle(7)

    def publish_meanwhile(*_: object) -> Report:
        channel.publish(other.model_id, other.to_bytes(), 1)
        return report

    record = start(publish_meanwhile).once()
    assert (record.ended, record.why) == ("kept", "another trainer published first")
    assert channel.champion() == Champion(other.model_id, 2)
    assert registry.aliases().champion == other.model_id
    assert registry.aliases().challenger == record.candidate


@pytest.mark.parametrize("has_published", [False, True])
def test_a_trainer_that_slept_past_its_lease_is_fenced(
    start: Start,
    report: Report,
    redis: Redis,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_published: bool,
) -> None:
    channel = RedisModels(redis, topic_prefix)

    def sleep_past_it(_o: Order, _f: Path, lease: Lease, *_: object) -> Report:
        redis.delete(f"{{{topic_prefix}:trainer}}:lease")
        second = Lease(redis, topic_prefix)
        assert second.acquire()
        if has_published:  # the same champion again, so that its version alone does not tell
            now = channel.champion()
            assert now is not None
            bundle = useless_champion()
            channel.publish(bundle.model_id, bundle.to_bytes(), now.version, second.fence)
            # Asked just before, the lease was still its own: only the channel's fence is left.
            monkeypatch.setattr(lease, "is_newest", lambda: True)
        return report

    record = start(sleep_past_it).once()
    assert record.ended == "fenced", record
    in_force = channel.champion()
    assert in_force is not None
    assert in_force.model_id == useless_champion().model_id
    assert start().begin() == in_force  # nor is it published by a later start


def test_a_trainer_process_that_is_stopped_past_its_lease_publishes_nothing(
    start: Start,
    report: Report,
    registry: Registry,
    stack: LocalStack,
    redis: Redis,
    topic_prefix: str,
    tmp_path: Path,
) -> None:
    lease_key, go = f"{{{topic_prefix}:trainer}}:lease", tmp_path / "go"
    (tmp_path / "report.json").write_text(report.model_dump_json())
    theirs = tmp_path / "theirs"
    shutil.copytree(registry.folder, theirs)
    words = [str(theirs), stack.redis, topic_prefix, "1000", str(tmp_path / "report.json"), str(go)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.waiting_trainer", *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and line != "training\n":
            pass
        assert line == "training\n"
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: not redis.exists(lease_key), 30, "the end of its lease")
        assert start().once().ended == "promoted"
        in_force = RedisModels(redis, topic_prefix).champion()
        go.touch()
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(10)
    assert "fenced: " in said
    assert in_force is not None
    assert in_force.version == 2
    assert RedisModels(redis, topic_prefix).champion() == in_force
    kept = Registry(theirs, Trust(allow_unsigned=True))
    assert [r.ended for r in Records(theirs).all()] == ["fenced"]
    assert kept.aliases().champion == useless_champion().model_id


def test_a_lost_lease_and_a_failed_child_leave_the_champion(
    start: Start, registry: Registry
) -> None:
    lost = start(lambda *_: NoReport(ChildEnd.LEASE_LOST, "the lease was lost")).once()
    assert (lost.ended, lost.why) == ("fenced", "the lease was lost")
    with capture_logs() as logs:
        failed = start(lambda *_: NoReport(ChildEnd.FAILED, "out of memory")).once()
    assert (failed.ended, failed.why) == ("failed", "out of memory")
    assert [e["log_level"] for e in logs if e["event"] == "retraining ended"] == ["error"]
    assert registry.aliases().champion == useless_champion().model_id


def test_a_run_whose_process_is_gone_is_lost_and_keeps_its_record(
    start: Start, registry: Registry
) -> None:
    records = Records(registry.folder)
    gone = records.new("schedule")
    gone.instance, gone.state = "elsewhere/17", "training"
    records.write(gone)
    start().once()
    kept = records.find(gone.id)
    assert (kept.ended, kept.why) == ("lost", "its process ended while it was training")


def test_looks_are_counted_over_a_quarter(registry: Registry, report: Report) -> None:
    records = Records(registry.folder)
    now = datetime.now(UTC)
    for days in (1, 90, 100):
        record = records.new("schedule")
        record.started = (now - timedelta(days=days)).isoformat()
        record.candidates = RunRecord.model_validate(
            {
                "id": "",
                "reason": "",
                "started": "",
                "candidates": [
                    {"kind": "fitted", "gates": [{"name": "a", "verdict": "fail", "text": ""}]}
                ],
            }
        ).candidates
        records.write(record)
    assert records.looks(now) == 2
    assert report.facts.n_stays == 160
