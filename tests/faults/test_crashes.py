"""A service dies between any two of its effects; another takes over and nothing shows it.

It dies at several points of one log in turn, and two logs go at the same time: most of it is
waiting until the group misses the dead.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache

import pytest

from bench.services import ServiceProcess
from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, N_EVENTS, ServiceTrial

# Where, and at which passing: some batches are behind it and some are left.
TRANSACTIONS = {
    "before_the_transaction": "before_transaction@3:kill",
    "in_the_transaction": "in_transaction@3:kill",
    "after_the_commit_and_before_redis": "after_transaction@3:kill",
}
# A save has to come before the end of the log; the others die with all of theirs unsaved.
SAVES = {
    "between_the_saves_of_two_partitions": "between_saves@1:kill",
    "after_the_save": "after_save@3:kill",
    "after_a_partition_was_taken": "after_take@2:kill",
}
LOGS = (TRANSACTIONS, SAVES)
SETTINGS: tuple[dict[str, str], ...] = ({}, {"STREAMER_SAVE_SECONDS": "0"})


@dataclass(frozen=True, slots=True)
class Crash:
    """A service that died, and the trial that it was in."""

    trial: ServiceTrial
    mortal: ServiceProcess


@pytest.fixture(scope="module")
def crashes(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Crash]]:
    """For each point the service that died there; another has taken over since."""
    crashes = {}
    with ExitStack() as opened:
        trials = []
        for number in range(len(LOGS)):
            folder = tmp_path_factory.mktemp("crashes")
            trial = ServiceTrial(stack, folder, f"{folder.name}-{number}-", max_batch=10)
            trials.append(opened.enter_context(trial))
        for points in zip(*LOGS, strict=True):
            for trial, log, settings, point in zip(trials, LOGS, SETTINGS, points, strict=True):
                trial.send(N_EVENTS // len(log))
                # Always the same name: its producer ends what was left open.
                mortal = trial.service(log[point], instance="mortal", **settings)
                crashes[point] = Crash(trial, mortal)
            for point in points:
                mortal = crashes[point].mortal
                assert mortal.wait(DEADLINE_S) == -signal.SIGKILL, mortal.log
        for trial in trials:
            trial.service(instance="mortal")
        yield crashes


@cache  # one look at a log for all that died over it
def assert_equals_oracle(trial: ServiceTrial) -> None:
    trial.assert_equals_oracle()


@pytest.mark.parametrize("point", [*TRANSACTIONS, *SAVES])
def test_killed(crashes: dict[str, Crash], point: str) -> None:
    assert_equals_oracle(crashes[point].trial)
