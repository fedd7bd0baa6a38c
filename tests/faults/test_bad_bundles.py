"""Bad bundles put into Redis by hand, one after the other, under a running service."""

from __future__ import annotations

import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from bench.services import ServiceProcess
from streamer.adapters.redis.models import RedisModels
from streamer.core.reasons import Refusal
from streamer.diagnose import checks
from streamer.diagnose.finding import Level
from streamer.local import LocalStack
from streamer.local.ports import LOOPBACK, choose
from streamer.service.settings import Settings
from tests.support.bad_bundles import KEY, bad_bundles, good
from tests.support.running_service import ANSWER_DEADLINE_S, ServiceClient, service
from tests.support.wait import wait_until
from trainer.registry import publishing
from trainer.registry.registry import Registry

IN_FORCE_S = 60.0  # ten are promised; a loaded machine counts more slowly
BEGAN_MS = 1_700_000_000_000
FIRST, SECOND = good(1), good(2)


class Watched:
    """A running service, what it says, and the models in its Redis."""

    def __init__(self, process: ServiceProcess, client: ServiceClient, redis: Redis) -> None:
        self.process = process
        self.client = client
        self.channel = RedisModels(redis)
        self._events = 0

    def model(self) -> str:
        """Sends an event and returns the model that speaks."""
        self._events += 1
        time_ms = BEGAN_MS + self._events * 60_000
        return str(self.client.risk_of(self.client.event("p", time=time_ms))["model"])

    def wait_for(self, model_id: str, deadline_s: float) -> None:
        wait_until(lambda: self.model() == model_id[:12], deadline_s, f"{model_id} in force")

    def publish(self, model_id: str, packed: bytes) -> None:
        champion = self.channel.champion()
        self.channel.publish(model_id, packed, champion.version if champion else 0)

    def refusals(self) -> dict[str, float]:
        """The refusals so far by reason, and `now:REASON` of the present one."""
        port = self.client.settings.http_port
        connection = HTTPConnection(LOOPBACK, port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        counts: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "vigil_models_refused_total":
                    counts[sample.labels["reason"]] = sample.value
                elif sample.name == "vigil_model_refused" and sample.value:
                    counts[f"now:{sample.labels['reason']}"] = sample.value
        return counts


@pytest.mark.timeout(300)
def test_no_bad_bundle_takes_over_and_a_good_one_does(
    stack: LocalStack, tmp_path: Path, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = str(KEY.public)
    monkeypatch.setenv("TRAINER_MODEL_KEYS", keys)
    monkeypatch.setenv("TRAINER_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    settings: dict[str, str | float] = {
        "model_keys": keys,
        "allow_unsigned_models": "false",
        "http_port": choose(None, "the service"),
    }
    registry = Registry(tmp_path / "registry", Settings(model_keys=keys).trust())
    with (
        LocalStack(existing_kafka=stack.kafka) as own,  # published models are one for a Redis
        Redis.from_url(own.redis) as redis,
        service(own, tmp_path, topic_prefix, **settings) as (process, client),
    ):
        watched = Watched(process, client, redis)
        assert watched.model() == "ac06db9ff834"
        publishing.promote(registry, watched.channel, registry.add(FIRST, ""), "")
        watched.wait_for(FIRST.model_id, IN_FORCE_S)

        n_refused = 0
        for bad in bad_bundles():
            before = watched.refusals()
            watched.publish(bad.model_id, bad.packed)

            def is_noticed(
                reason: Refusal = bad.reason, before: float = before[bad.reason]
            ) -> bool:
                now = watched.refusals()
                return now[reason] > before and f"now:{reason}" in now

            wait_until(is_noticed, IN_FORCE_S, f"{bad.name} refused as {bad.reason}")
            assert watched.model() == FIRST.model_id[:12], bad.name
            assert process.exit_code is None, process.log
            n_refused += 1
            findings = {f.check + f.level: f.message for f in checks._model(client.settings)}
            assert f"({bad.reason})" in findings["model" + Level.WARN], bad.name
        assert n_refused >= 16

        # Five publications push an older one out of Redis: the service keeps its own.
        assert process.terminate()[0] == 0, process.log
        process.start()
        watched.wait_for(FIRST.model_id, ANSWER_DEADLINE_S)

        rolled_back = subprocess.run(
            [sys.executable, "-m", "trainer", "models", "rollback", "--registry", registry.folder],
            env={**os.environ, "REDIS_URL": own.redis},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert rolled_back.returncode == 0, rolled_back.stderr
        assert f"in force: {FIRST.model_id[:12]}" in rolled_back.stdout
        champion = watched.channel.champion()
        assert champion is not None
        assert champion.model_id == FIRST.model_id
        wait_until(
            lambda: not any(name.startswith("now:") for name in watched.refusals()),
            IN_FORCE_S,
            "the refusal over",
        )

        watched.publish(SECOND.model_id, SECOND.to_bytes())
        watched.wait_for(SECOND.model_id, IN_FORCE_S)
