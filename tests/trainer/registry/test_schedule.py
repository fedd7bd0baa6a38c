from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis
from structlog.testing import capture_logs

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.build import make
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.local import LocalStack
from streamer.ports.models import Champion
from tests.support.small_models import random_bundle, random_model, silenced
from tests.support.synthetic_cohort import learnable_file
from tests.support.wait import wait_until
from trainer.registry.lease import Lease
from trainer.registry.registry import Registry
from trainer.registry.retraining import Retraining
from trainer.registry.schedule import cron_trigger, interval_trigger, period, serve

# As QUICK, but long enough to learn.
KNOBS = ("teacher_share=0", "encoder=16", "reading_epochs=40", "batch_hours=128", "hidden=16")
OPTIONS = [word for knob in (*KNOBS, "patience=12") for word in ("--set", knob)]
OPTIONS += ["--threads", "1", "--bootstrap", "0"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21_600), ("90m", 5_400), ("30s", 30), ("1d", 86_400), ("45", 45), ("0.5s", 0.5)],
)
def test_intervals_are_read(text: str, seconds: float) -> None:
    assert period(interval_trigger(text)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0", "-6h", "6 hours", "h", "nan"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="interval"):
        interval_trigger(text)


def test_cron_fields_are_read_in_utc() -> None:
    trigger = cron_trigger("30 3 * * *")
    fires = trigger.get_next_fire_time(None, datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert fires == datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
    assert period(trigger) == timedelta(days=1)


@pytest.mark.parametrize("text", ["", "x y", "61 * * * *", "* * * *"])
def test_what_is_no_cron_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        cron_trigger(text)


def test_jobs_run_one_at_a_time_until_told_to_stop() -> None:
    stop, running, most, done = threading.Event(), 0, 0, 0

    def job() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        threading.Event().wait(0.12)  # longer than two intervals
        running -= 1
        done += 1
        if done == 3:
            stop.set()

    serve(interval_trigger("0.05s"), job, stop)
    assert (done, most, running) == (3, 1, 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def redis(stack: LocalStack) -> Iterator[Redis]:
    client = Redis.from_url(stack.redis, socket_timeout=10)
    yield client
    client.close()


def _hopeless() -> Bundle:
    """A champion that gives everybody the same risk and never says yes: AUROC 0.5, utility 0."""
    model = random_model()
    model.network = silenced(model.network, "glance_head", "memory_head")
    model.threshold = 0.9999999
    return make(model, {}, "")


Start = Callable[..., Retraining]


@pytest.fixture
def start(data: Path, registry: Registry, redis: Redis, topic_prefix: str) -> Start:
    def make_one(client: Redis = redis, options: list[str] = OPTIONS) -> Retraining:
        return Retraining(
            [data],
            registry,
            RedisModels(client, topic_prefix),
            Lease(client, topic_prefix),
            options,
            threading.Event(),
        )

    return make_one


def test_a_better_candidate_is_published_and_an_equal_one_is_not(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    champion = registry.promote(registry.add(_hopeless(), ""), "")
    with capture_logs() as logs:
        outcome = start().once()
    assert outcome.ended == "promoted", outcome
    assert (outcome.champion, outcome.version) == (champion, 2)
    channel = RedisModels(redis, topic_prefix)
    assert outcome.candidate is not None
    assert channel.champion() == Champion(outcome.candidate, 2)
    assert channel.fetch(outcome.candidate) == registry.load("champion").to_bytes()
    assert registry.aliases().before == (champion,)
    (line,) = [entry for entry in logs if entry["event"] == "retraining ended"]
    assert line["candidate_utility"] > line["champion_utility"] == 0
    assert len(line["utility_difference_ci"]) == 2

    again = start().once()
    assert (again.ended, again.candidate) == ("kept", outcome.candidate)
    assert "itself" in again.why
    assert channel.champion() == Champion(outcome.candidate, 2)


def test_a_worse_candidate_becomes_the_challenger(start: Start, registry: Registry) -> None:
    registry.promote(registry.add(_hopeless(), ""), "")
    best = start().once()
    assert best.ended == "promoted", best
    worse = start(options=[*OPTIONS, "--set", "learning_rate=1e-9"]).once()
    assert (worse.ended, worse.champion) == ("kept", best.candidate)
    assert registry.aliases().challenger == worse.candidate
    assert registry.aliases().champion == best.candidate


def test_an_empty_registry_begins_with_the_shipped_bundle(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    in_force = start().begin()
    assert in_force == Champion(bundles.load(SHIPPED).model_id, 1)
    assert RedisModels(redis, topic_prefix).champion() == in_force
    assert registry.find("champion") == in_force.model_id


def test_without_redis_training_goes_on_and_publishes_next_time(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    registry.promote(registry.add(_hopeless(), ""), "")
    assert start().begin() is not None
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    outcome = start(nowhere).once()
    assert (outcome.ended, outcome.version) == ("promoted", None)
    channel = RedisModels(redis, topic_prefix)
    assert channel.champion() != Champion(outcome.candidate or "", 2)
    assert start().begin() == channel.champion() == Champion(outcome.candidate or "", 2)


def test_a_second_trainer_leaves_the_work_to_the_first(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    first = Lease(redis, topic_prefix)
    assert first.acquire()
    assert start().once().ended == "skipped"
    assert registry.ids() == []
    assert first.renew()  # the second did not give it back


def test_what_another_publishes_during_training_stands(
    start: Start,
    registry: Registry,
    redis: Redis,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.promote(registry.add(_hopeless(), ""), "")
    retraining, channel, other = start(), RedisModels(redis, topic_prefix), random_bundle(7)
    fit = retraining._fit

    def fit_while_another_publishes(out: Path, champion: Path) -> Any:
        channel.publish(other.model_id, other.to_bytes(), 1)
        return fit(out, champion)

    monkeypatch.setattr(retraining, "_fit", fit_while_another_publishes)
    outcome = retraining.once()
    assert (outcome.ended, outcome.why) == ("kept", "another trainer was faster")
    assert channel.champion() == Champion(other.model_id, 2)
    assert registry.aliases().champion == other.model_id
    assert registry.aliases().challenger == outcome.candidate


def test_a_lease_that_another_took_ends_the_training(
    start: Start, redis: Redis, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.registry.retraining.RENEW_S", 0.0)
    retraining, other = start(), Lease(redis, topic_prefix)
    fit = retraining._fit

    def fit_while_another_takes_over(out: Path, champion: Path) -> Any:
        redis.delete(f"{{{topic_prefix}:trainer}}:lease")
        assert other.acquire()
        return fit(out, champion)

    monkeypatch.setattr(retraining, "_fit", fit_while_another_takes_over)
    outcome = retraining.once()
    assert (outcome.ended, outcome.why.split(":")[0]) == ("skipped", "the lease was lost")
    assert other.renew()


def test_a_failed_fit_is_said_with_its_reason_and_changes_nothing(
    start: Start, registry: Registry
) -> None:
    with capture_logs() as logs:
        outcome = start(options=[*OPTIONS, "--set", "epochs=0"]).once()
    assert outcome.ended == "failed"
    assert "epochs must be at least 1" in outcome.why
    assert registry.find("champion") == bundles.load(SHIPPED).model_id
    assert [e["log_level"] for e in logs if e["event"] == "retraining ended"] == ["error"]
    assert start().begin() == Champion(registry.find("champion"), 1)


def test_sigterm_ends_trainer_and_child_within_ten_seconds(
    data: Path, registry: Registry, stack: LocalStack
) -> None:
    # A database of its own: the command has no namespace, and other tests follow the champion.
    url = urlsplit(stack.redis)._replace(path="/9").geturl()
    words = [sys.executable, "-m", "trainer", "run", "--data", str(data), "--every", "1s"]
    words += ["--registry", str(registry.folder), "--threads", "1", "--set", "epochs=9999"]
    words += ["--set", "patience=9999"]
    trainer = subprocess.Popen(
        words, env={**os.environ, "REDIS_URL": url}, stderr=subprocess.PIPE, text=True
    )
    try:
        itself = psutil.Process(trainer.pid)
        (child,) = wait_until(itself.children, 60, "the child process")
        wait_until(lambda: child.nice() == 10, 5, "the low priority of the child")
        trainer.send_signal(signal.SIGTERM)
        _, said = trainer.communicate(timeout=10)
        assert trainer.returncode == 0, said
        assert not child.is_running()
        (line,) = [json.loads(text) for text in said.splitlines() if "retraining ended" in text]
        assert line["ended"] == "stopped"
    finally:
        trainer.kill()
        trainer.wait()
        with Redis.from_url(urlsplit(stack.redis_admin)._replace(path="/9").geturl()) as client:
            client.flushdb()
