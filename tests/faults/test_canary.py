"""A chain that looks well and is deaf is found: a canary on a real Kafka, Redis and services."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.services import settings_of
from streamer.canary import bootstrap
from streamer.canary.process import CanaryProcess
from streamer.canary.series import Series
from streamer.canary.watch import Verdict
from streamer.cli import app
from streamer.core.canary import PREFIX
from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, ServiceTrial
from tests.support.wait import wait_until

PERIOD_S, LATE_S = 3.0, 2.0  # of a minute and ten seconds: two periods are "two minutes" here
CANARY = {"STREAMER_CANARY_SECONDS": str(PERIOD_S), "STREAMER_CANARY_LATE_SECONDS": str(LATE_S)}


class Watched:
    """A canary that runs in a thread, and how its probes ended, with the time of each."""

    def __init__(self, trial: ServiceTrial) -> None:
        settings = settings_of(trial.environment | CANARY | {"STREAMER_INSTANCE": "canary"})
        self.series = Series()
        self.verdicts: list[tuple[float, Verdict]] = []
        self._log = bootstrap.log_of(settings)
        self.process: CanaryProcess = bootstrap.process_of(
            settings, self._log, self.series, lambda v: self.verdicts.append((time.monotonic(), v))
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.process.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_S)
        self._log.close()

    def wait(self, outcomes: set[str], since: float, partitions: int = 2) -> float:
        """Waits until each partition had one of these; returns the seconds until the last."""
        at: dict[int, float] = {}

        def all_there() -> bool:
            for when, verdict in list(self.verdicts):
                if when >= since and str(verdict.outcome) in outcomes:
                    at.setdefault(verdict.partition, when)
            return len(at) == partitions

        wait_until(all_there, DEADLINE_S, f"{outcomes} on each partition: {self.verdicts[-4:]}")
        return max(at.values()) - since


@pytest.fixture
def trial(stack: LocalStack, tmp_path: Path, topic_prefix: str) -> Iterator[ServiceTrial]:
    with ServiceTrial(stack, tmp_path, topic_prefix, save_seconds=1) as trial:
        trial.has_canaries = True
        yield trial


@pytest.mark.timeout(240)
def test_a_deaf_chain_is_found_and_patients_see_nothing(trial: ServiceTrial) -> None:
    service = trial.service(instance="one")
    with contextlib.closing(Watched(trial)) as watched:
        watched.wait({"ok"}, 0)
        trial.send(200)

        os.kill(service.pid, signal.SIGSTOP)  # it holds its connections, and says nothing
        frozen = time.monotonic()
        lost_s = watched.wait({"lost"}, frozen)
        assert time.time() - max(watched.series.last_success.values()) > PERIOD_S
        assert lost_s < 3 * PERIOD_S, "two, and what a loaded machine adds"
        os.kill(service.pid, signal.SIGCONT)
        watched.wait({"ok"}, time.monotonic())
        trial.send()
        assert not [v for _, v in watched.verdicts if v.outcome == "wrong"]
    variables = trial.environment | CANARY | {"STREAMER_INSTANCE": "once"}
    once = CliRunner().invoke(app, ["canary", "--once", "--json"], env=variables)
    assert once.exit_code == 0, once.output
    ended = [json.loads(line) for line in once.stdout.splitlines()]
    assert {(line["partition"], line["outcome"]) for line in ended} == {(0, "ok"), (1, "ok")}

    trial.assert_equals_oracle()
    names = [name for key in trial.redis.scan_iter("*") for name in _names_in(trial, key)]
    assert names
    assert not [name for name in names if PREFIX.encode() in name]


def _names_in(trial: ServiceTrial, key: bytes) -> list[bytes]:
    """The key and the fields of a hash of this trial."""
    if trial.settings.group.encode() not in key or trial.redis.type(key) != b"hash":
        return [key]
    fields: Any = trial.redis.hkeys(key)
    return [key, *fields]
