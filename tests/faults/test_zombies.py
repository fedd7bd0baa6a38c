"""A service sleeps past its session while another takes over, wakes up, and is refused.

Three sleep at the same time, each with a partition of its own; the fourth takes over all.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

import psutil
import pytest

from bench.services import ServiceProcess
from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, N_EVENTS, ServiceTrial
from tests.support.wait import wait_until

FAULTS = {
    "before_the_transaction": "before_transaction@3:stop",
    "in_the_transaction": "in_transaction@3:stop",
    "after_the_commit_and_before_redis": "after_transaction@3:stop",
}
REFUSED = ("transaction interrupted", "fenced")


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A service that has slept, and the trial that it is in."""

    trial: ServiceTrial
    service: ServiceProcess


@pytest.fixture(scope="module")
def sleepers(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Sleeper]]:
    """For each point the service that slept there while another took over; it is awake again."""
    folder = tmp_path_factory.mktemp("zombies")
    members = len(FAULTS) + 1
    with ExitStack() as opened:
        trial = ServiceTrial(stack, folder, f"{folder.name}-", partitions=members, max_batch=5)
        opened.enter_context(trial)
        services = {name: trial.service(fault, instance=name) for name, fault in FAULTS.items()}
        for service in services.values():
            opened.callback(wake, service)
        trial.service(instance="other")
        wait_until(
            lambda: [len(owned(service)) for service in trial.services] == [1] * members,
            DEADLINE_S,
            "a partition for each",
        )
        trial.send(N_EVENTS // 2)
        for service in services.values():
            wait_until(lambda s=service: asleep(s), DEADLINE_S, "a service that sleeps")  # type: ignore[misc]
        trial.wait_for_commit(N_EVENTS // 2)
        for service in services.values():
            wake(service)
        for service in services.values():
            wait_until(lambda s=service: is_refused(s), DEADLINE_S, "a zombie refused")  # type: ignore[misc]
        trial.send()
        yield {name: Sleeper(trial, service) for name, service in services.items()}


def owned(service: ServiceProcess) -> set[int]:
    """The partitions that a service has now, as its log tells."""
    partitions: set[int] = set()
    for line in service.log.rpartition("\n")[0].splitlines():
        if line.startswith("{") and (entry := json.loads(line))["event"] == "assignment":
            partitions = (partitions | set(entry["gained"])) - set(entry["lost"])
    return partitions


def asleep(service: ServiceProcess) -> bool:
    return bool(psutil.Process(service.pid).status() == psutil.STATUS_STOPPED)


def wake(service: ServiceProcess) -> None:
    os.kill(service.pid, signal.SIGCONT)


def is_refused(service: ServiceProcess) -> bool:
    return any(refused in service.log for refused in REFUSED)


@cache  # one look at the log for all that slept over it
def assert_equals_oracle(trial: ServiceTrial) -> None:
    trial.assert_equals_oracle()


@pytest.mark.parametrize("point", FAULTS)
def test_asleep(sleepers: dict[str, Sleeper], point: str) -> None:
    assert is_refused(sleepers[point].service)
    assert_equals_oracle(sleepers[point].trial)
