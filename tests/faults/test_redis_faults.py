"""Redis goes away, refuses to write, or has forgotten: the service waits, replays or rebuilds."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from streamer.adapters.redis.client import TIMEOUT_S
from streamer.local import LocalStack
from streamer.service.worker import Worker
from tests.support.service_trial import DEADLINE_S, ServiceTrial
from tests.support.wait import wait_until

NOBODY = ("127.0.0.1", "1")  # a master that never answers: its replica keeps what it has


@pytest.fixture
def own(stack: LocalStack) -> Iterator[LocalStack]:
    """The Kafka of all tests and a Redis of this one's own."""
    with LocalStack(existing_kafka=stack.kafka) as running:
        yield running


@pytest.fixture
def trial(own: LocalStack, tmp_path: Path, topic_prefix: str) -> Iterator[ServiceTrial]:
    with ServiceTrial(own, tmp_path, topic_prefix) as opened:
        yield opened


@pytest.fixture
def admin(own: LocalStack) -> Iterator[Redis]:
    with Redis.from_url(own.redis_admin) as client:
        yield client


def wait_for_complaint(worker: Worker, about: str) -> None:
    wait_until(
        lambda: any(about in reason for reason in worker.not_ready),
        DEADLINE_S,
        f"readiness saying {about!r}",
    )


def test_redis_is_stopped_and_comes_back(own: LocalStack, trial: ServiceTrial) -> None:
    trial.send(100)
    with trial.worker() as worker:
        trial.wait_for_commit()
        own.redis_server.stop()
        trial.send()
        wait_for_complaint(worker, "Redis")
        own.redis_server.start()
        trial.assert_equals_oracle()
        assert worker.not_ready == []


def test_redis_freezes_and_the_loop_is_not_held_up_for_longer_than_five_seconds(
    own: LocalStack, trial: ServiceTrial
) -> None:
    trial.send(200)
    with trial.worker() as worker:
        trial.wait_for_commit()
        os.kill(own.redis_server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            trial.send(100)
            wait_for_complaint(worker, "Redis")
            seen_s = time.monotonic() - began
        finally:
            os.kill(own.redis_server.pid, signal.SIGCONT)
        trial.send()
        trial.assert_equals_oracle()
    # A look at Redis a second, and five for its answer; another on a machine with other work.
    assert seen_s < 8
    assert TIMEOUT_S == 5


def test_redis_is_killed_and_comes_back_without_its_last_seconds(
    own: LocalStack, trial: ServiceTrial, tmp_path: Path
) -> None:
    folder, backup = own.redis_server.folder, tmp_path / "backup"
    trial.send(150)
    with trial.worker():
        trial.settle()
        shutil.copytree(folder, backup)  # of an append-only file, any copy is an earlier state
        before = trial.watermarks()
        trial.send(100)
        trial.settle()
        own.redis_server.kill()
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        own.redis_server.start()
        assert trial.watermarks() == before
        trial.send(3)  # few: the stays of the others must be replayed, not just saved again
        trial.assert_equals_oracle()


def test_redis_has_lost_its_last_seconds_while_nobody_ran(
    own: LocalStack, trial: ServiceTrial, tmp_path: Path
) -> None:
    folder, backup = own.redis_server.folder, tmp_path / "backup"
    trial.send(150)
    with trial.worker():
        trial.settle()
        shutil.copytree(folder, backup)
        trial.send(100)
        trial.settle()
    own.redis_server.kill()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    own.redis_server.start()
    trial.send()
    with trial.worker():
        trial.assert_equals_oracle()


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_redis_is_wiped(trial: ServiceTrial, while_it_runs: bool, admin: Redis) -> None:
    trial.send(150)
    with trial.worker():
        trial.settle()
        if while_it_runs:
            admin.flushall()
            trial.send()
            trial.assert_equals_oracle()
    if not while_it_runs:
        admin.flushall()
        trial.send()
        with trial.worker():
            trial.assert_equals_oracle()


def make_read_only(redis: Redis) -> None:
    redis.replicaof(*NOBODY)


def make_writable(redis: Redis) -> None:
    redis.replicaof("NO", "ONE")


def fill_memory(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def free_memory(redis: Redis) -> None:
    redis.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("breaks", "mends", "says"),
    [(make_read_only, make_writable, "read only"), (fill_memory, free_memory, "maxmemory")],
    ids=["read_only", "out_of_memory"],
)
def test_redis_takes_no_writes(
    own: LocalStack,
    trial: ServiceTrial,
    breaks: Callable[[Redis], None],
    mends: Callable[[Redis], None],
    says: str,
) -> None:
    trial.send(100)
    with trial.worker() as worker, closing(Redis.from_url(own.redis_admin)) as redis:
        trial.wait_for_commit()
        breaks(redis)
        trial.send()
        wait_for_complaint(worker, says)
        mends(redis)
        trial.assert_equals_oracle()
        assert worker.not_ready == []
