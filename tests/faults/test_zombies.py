"""A service sleeps past its session while another takes over, wakes up, and is refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from bench.services import ServiceProcess
from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, N_EVENTS, Trial
from tests.support.wait import wait_until

FAULTS = {
    "before_the_transaction": "before_transaction@3:stop",
    "in_the_transaction": "in_transaction@3:stop",
    "after_the_commit_and_before_redis": "after_transaction@3:stop",
}


@pytest.fixture(scope="module")
def sleepers(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Trial]]:
    """A trial for each point with a service asleep there, and another that has taken over."""
    folder = tmp_path_factory.mktemp("zombies")
    with ExitStack() as opened:
        trials = {}
        for name, fault in FAULTS.items():
            trial = Trial(stack, folder, f"zombie-{folder.name}-{name}-")
            trials[name] = opened.enter_context(trial)
            trial.send(N_EVENTS // 2)
            sleeper = trial.service(fault, instance=f"{name}-sleeper")
            opened.callback(wake, sleeper)
        for name, trial in trials.items():
            wait_until(lambda t=trial: asleep(t), DEADLINE_S, "a service that sleeps")  # type: ignore[misc]
            trial.service(instance=f"{name}-other")
        yield trials


def asleep(trial: Trial) -> bool:
    return bool(psutil.Process(trial.services[0].pid).status() == psutil.STATUS_STOPPED)


def wake(service: ServiceProcess) -> None:
    os.kill(service.pid, signal.SIGCONT)


@pytest.mark.parametrize("point", FAULTS)
def test_asleep(sleepers: dict[str, Trial], point: str) -> None:
    trial = sleepers[point]
    trial.wait_for_commit(N_EVENTS // 2)
    sleeper = trial.services[0]
    wake(sleeper)
    refused = ("transaction interrupted", "fenced")
    wait_until(lambda: any(r in sleeper.log for r in refused), DEADLINE_S, "a zombie refused")
    trial.send()
    trial.judge()
