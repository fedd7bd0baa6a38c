"""The promises of the service, kept by its processes on the real Kafka and Redis."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from redis import Redis

from bench import parity
from streamer.adapters.redis.models import RedisModels
from streamer.datasets.cohort import Cohort
from streamer.local import LocalStack
from streamer.local.spawner import spawn
from tests.support.paths import DATA
from tests.support.running_service import (
    ANSWER_DEADLINE_S,
    START_DEADLINE_S,
    ServiceClient,
    service,
)
from tests.support.small_models import random_bundle
from tests.support.wait import wait_until
from trainer.data.cohort import load_cohort

CINC2019 = DATA / "cinc2019"
BEGAN_MS = 1_700_000_000_000


def invented_cohort(n: int, seed: int) -> Cohort:
    """Stays of 5 to 70 hours with the gaps and lengths of real ones, and numbers that move.

    The last hours of every third are septic, so that a utility can be had.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 70, n)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    middle = rng.uniform(20, 90, 34)
    values = (middle + rng.normal(0, 3, (starts[-1], 34)).cumsum(axis=0) * 0.1).astype(np.float32)
    values[rng.random(values.shape) < 0.7] = np.nan
    first = rng.integers(1, 5, n)
    iculos = np.concatenate([np.arange(f, f + k) for f, k in zip(first, lengths, strict=True)])
    to_end = np.concatenate([np.arange(k, 0, -1) for k in lengths])
    septic = np.repeat(np.arange(n) % 3 == 0, lengths) & (to_end <= 9)
    return Cohort(
        [f"invented-{i}" for i in range(n)],
        starts,
        values.round(2),
        iculos.astype(np.int32),
        septic.astype(np.int8),
        rng.uniform(20, 90, n).round(1).astype(np.float32),
        rng.choice(["female", "male", "unknown"], n),
        rng.choice(["medical", "surgical", "unknown"], n),
        rng.uniform(0, 100, n).round(1).astype(np.float32),
    )


@pytest.mark.timeout(600)
def test_streamed_risks_equal_offline_ones_while_services_are_killed(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    cohort = invented_cohort(60, seed=3)
    result = parity.measure(stack, cohort, tmp_path, topic_prefix, disturb=True, deadline_s=300.0)
    assert (result.missing, result.repeated, result.unexpected) == (0, 0, 0)
    assert result.records == result.expected == cohort.n_rows
    assert result.largest_difference <= parity.TOLERANCE
    _have_the_same_utility(result)


@pytest.mark.timeout(600)
@pytest.mark.skipif(not CINC2019.exists(), reason="the real ICU data is not here")
def test_streamed_risks_of_real_patients_equal_offline_ones(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    everyone = load_cohort([CINC2019])
    cohort = everyone.take(np.arange(0, len(everyone), len(everyone) // 60))
    result = parity.measure(stack, cohort, tmp_path, topic_prefix, disturb=False, deadline_s=300.0)
    assert (result.missing, result.repeated, result.unexpected) == (0, 0, 0)
    assert result.largest_difference <= parity.TOLERANCE
    _have_the_same_utility(result)


def _have_the_same_utility(result: parity.Parity) -> None:
    offline = result.offline_utility
    assert result.streamed_utility == pytest.approx(offline, rel=0, abs=parity.UTILITY_TOLERANCE)
    assert abs(offline) > 0.05, "0 is what a model gets that says nothing"


@pytest.mark.timeout(300)
def test_a_published_model_is_in_force_within_ten_seconds_and_so_is_a_rollback(
    tmp_path: Path, topic_prefix: str
) -> None:
    # A Redis of its own: the published model is one for all that share it.
    with LocalStack() as stack, service(stack, tmp_path, topic_prefix) as (_, client):
        channel = RedisModels(Redis.from_url(stack.redis))
        shipped = client.risk_of(client.event("p", time=BEGAN_MS))["model"]
        bundles = [random_bundle(seed) for seed in (1, 2)]
        for version, bundle in enumerate((*bundles, bundles[0])):  # the third is a rollback
            channel.publish(bundle.model_id, bundle.to_bytes(), version)
            began = time.monotonic()
            spoke = _events_until_model(client, bundle.model_id[:12])
            assert time.monotonic() - began < 10
            assert len(spoke) <= 2, "one model spoke after the other, never in turns"
        assert shipped not in {bundle.model_id[:12] for bundle in bundles}


def _events_until_model(client: ServiceClient, model_id: str) -> list[str]:
    """Sends an event after the other until this model speaks; returns who spoke, in order."""
    spoke: list[str] = []

    def speaks() -> bool:
        minute = 60_000 * len(client.risks)
        model = client.risk_of(client.event("p", time=BEGAN_MS + minute))["model"]
        if not spoke or spoke[-1] != model:
            spoke.append(model)
        return bool(model == model_id)

    wait_until(speaks, ANSWER_DEADLINE_S, f"model {model_id} in force")
    return spoke


@pytest.mark.timeout(300)
def test_sigterm_ends_a_service_in_order_within_ten_seconds(
    stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    with service(stack, tmp_path, topic_prefix) as (process, client):
        client.risk_of(client.event("p"))
        code, seconds = process.terminate()
        assert code == 0, process.log
        assert seconds < 10


@pytest.mark.timeout(300)
def test_demo_prints_an_alert_and_leaves_nothing_behind(tmp_path: Path) -> None:
    output = tmp_path / "demo.log"
    alone = {
        n: v for n, v in os.environ.items() if n not in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL")
    }
    with output.open("wb") as log:
        demo = spawn(
            ["/usr/bin/env", "-i", *(f"{n}={v}" for n, v in alone.items()), "STREAMER_HTTP_PORT=0",
             sys.executable, "-m", "streamer", "demo"],
            tmp_path, log,
        )  # fmt: skip
    try:
        wait_until(lambda: " start " in output.read_text(), START_DEADLINE_S * 2, "a first alert")
        family = psutil.Process(demo.pid).children(recursive=True)
        assert len(family) >= 4, "Kafka, Redis, the service and the ward"
        resident = sum(process.memory_info().rss for process in family)
        assert resident < 4e9, "all processes together stay under 4 GB"
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(30) == 0
        gone, alive = psutil.wait_procs(family, timeout=5)
        assert not alive
        assert len(gone) == len(family)
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
