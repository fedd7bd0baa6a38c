from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rich.console import Console
from structlog.testing import capture_logs

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import Trust
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from streamer.ports.models import Champion
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_bundle, useless_champion
from tests.support.synthetic_cohort import KNOBS, learnable_file
from trainer.progress import Reporter
from trainer.registry.gates import Limits
from trainer.registry.lease import Lease
from trainer.registry.registry import Registry
from trainer.registry.retraining import Retraining
from trainer.training.recipe import Recipe

OPTIONS = [word for knob in KNOBS for word in ("--set", knob)]
OPTIONS += ["--threads", "1", "--bootstrap", "0"]


# The gates as they are need thirty septic patients to decide on; these stays have some five.
FEW = Limits(least_septic=2, slope=(0, 99), observed_expected=(0, 99), ece=1, most_alerts=9,
             alert_ratio=(0, 99), sensitivity_drop=1)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"), 160)


@pytest.fixture(scope="module")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fit leaves, for tests of what comes after it: better than the useless champion."""
    from trainer.fit import fit  # noqa: PLC0415 - takes seconds, in each process that collects

    out = tmp_path_factory.mktemp("fit")
    recipe, wrong = Recipe().changed(KNOBS)
    assert not wrong
    quiet = Reporter(Console(quiet=True))
    with drawing_nothing():
        fit([data], out, recipe, reporter=quiet, n_bootstrap=0, against=useless_champion())
    return out


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry", Trust(allow_unsigned=True))


@pytest.fixture
def redis(stack: LocalStack) -> Iterator[Redis]:
    client = Redis.from_url(stack.redis, socket_timeout=10)
    yield client
    client.close()


def leave(fitted: Path, out: Path) -> None:
    """Leaves in ``out`` what a fit has left elsewhere."""
    shutil.copytree(fitted, out, dirs_exist_ok=True)


Start = Callable[..., Retraining]


@pytest.fixture
def start(data: Path, registry: Registry, redis: Redis, topic_prefix: str) -> Start:
    def make_one(client: Redis = redis, options: list[str] = OPTIONS) -> Retraining:
        retraining = Retraining(
            [data],
            registry,
            RedisModels(client, topic_prefix),
            Lease(client, topic_prefix),
            options,
            threading.Event(),
        )
        retraining.limits = FEW
        return retraining

    return make_one


@pytest.mark.timeout(400)  # three fits, of a low priority that other tests go before
def test_a_better_candidate_is_published_an_equal_one_is_not_and_a_worse_one_is_a_challenger(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    champion = registry.promote(registry.add(useless_champion(), ""), "")
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
    assert set(line["gates"].values()) == {"pass"}

    again = start().once()
    assert (again.ended, again.candidate) == ("kept", outcome.candidate)
    assert "itself" in again.why
    assert channel.champion() == Champion(outcome.candidate, 2)

    worse = start(options=[*OPTIONS, "--set", "learning_rate=1e-9"]).once()
    assert (worse.ended, worse.champion) == ("kept", outcome.candidate)
    assert registry.aliases().challenger == worse.candidate
    assert registry.aliases().champion == outcome.candidate


def test_an_empty_registry_begins_with_the_shipped_bundle(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    in_force = start().begin()
    assert in_force == Champion(bundles.load(SHIPPED).model_id, 1)
    assert RedisModels(redis, topic_prefix).champion() == in_force
    assert registry.find("champion") == in_force.model_id


def test_without_redis_training_goes_on_and_publishes_next_time(
    start: Start,
    registry: Registry,
    redis: Redis,
    topic_prefix: str,
    fitted: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.promote(registry.add(useless_champion(), ""), "")
    assert start().begin() is not None
    nowhere = Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    retraining = start(nowhere)
    monkeypatch.setattr(retraining, "_fit", lambda out, _: leave(fitted, out))
    outcome = retraining.once()
    assert (outcome.ended, outcome.version) == ("promoted", None)
    channel = RedisModels(redis, topic_prefix)
    assert channel.champion() != Champion(outcome.candidate or "", 2)
    assert start().begin() == channel.champion() == Champion(outcome.candidate or "", 2)


def test_a_second_trainer_is_skipped_while_the_first_holds_the_lease(
    start: Start, registry: Registry, redis: Redis, topic_prefix: str
) -> None:
    first = Lease(redis, topic_prefix)
    assert first.acquire()
    assert start().once().ended == "skipped"
    assert registry.ids() == []
    assert first.renew()  # the second did not give it back


def test_another_trainers_publication_during_training_stands(
    start: Start,
    registry: Registry,
    redis: Redis,
    topic_prefix: str,
    fitted: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.promote(registry.add(useless_champion(), ""), "")
    retraining, channel, other = start(), RedisModels(redis, topic_prefix), random_bundle(7)

    def fit_while_another_publishes(out: Path, _: Path) -> None:
        channel.publish(other.model_id, other.to_bytes(), 1)
        leave(fitted, out)

    monkeypatch.setattr(retraining, "_fit", fit_while_another_publishes)
    outcome = retraining.once()
    assert (outcome.ended, outcome.why) == ("kept", "another trainer published first")
    assert channel.champion() == Champion(other.model_id, 2)
    assert registry.aliases().champion == other.model_id
    assert registry.aliases().challenger == outcome.candidate


def test_a_lost_lease_ends_the_training(
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


def test_a_failed_fit_is_logged_with_its_reason_and_changes_nothing(
    start: Start, registry: Registry
) -> None:
    with capture_logs() as logs:
        outcome = start(options=[*OPTIONS, "--set", "epochs=0"]).once()
    assert outcome.ended == "failed"
    assert "epochs must be at least 1" in outcome.why
    assert registry.find("champion") == bundles.load(SHIPPED).model_id
    assert [e["log_level"] for e in logs if e["event"] == "retraining ended"] == ["error"]
    assert start().begin() == Champion(registry.find("champion"), 1)


def test_a_fit_that_hangs_is_ended_and_gives_the_lease_back(
    data: Path,
    registry: Registry,
    redis: Redis,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program = tmp_path / "hangs"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    lease = Lease(redis, topic_prefix)
    channel = RedisModels(redis, topic_prefix)
    hung = Retraining([data], registry, channel, lease, OPTIONS, threading.Event(), most_s=0.2)
    outcome = hung.once()
    assert outcome.ended == "failed"
    assert "fit did not end within" in outcome.why
    assert Lease(redis, topic_prefix).acquire(), "another trainer may work"
