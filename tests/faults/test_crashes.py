"""A service dies between any two of its effects; another takes over and nothing shows it.

All trials run at the same time: most of each is waiting until the group misses the dead.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streamer.local import LocalStack
from tests.support.service_trial import DEADLINE_S, ServiceTrial

# Where, and at which passing: some batches are behind it and some are left.
FAULTS = {
    "before_the_transaction": "before_transaction@3:kill",
    "in_the_transaction": "in_transaction@3:kill",
    "after_the_commit_and_before_redis": "after_transaction@3:kill",
    "between_the_saves_of_two_partitions": "between_saves@1:kill",
    "after_the_save": "after_save@3:kill",
    "after_a_partition_was_taken": "after_take@2:kill",
}
# Where a save has to come before the end of the log; the others die with all of theirs unsaved.
SAVING = ("between_the_saves_of_two_partitions", "after_the_save")


@pytest.fixture(scope="module")
def crashes(
    stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ServiceTrial]]:
    """A trial for each point, with a service in it that will die there."""
    folder = tmp_path_factory.mktemp("crashes")
    with ExitStack() as opened:
        trials = {}
        for name, fault in FAULTS.items():
            trial = ServiceTrial(stack, _folder(folder, name), f"crash-{folder.name}-{name}-")
            trials[name] = opened.enter_context(trial)
            trial.send()
            seconds = {"STREAMER_SAVE_SECONDS": "0"} if name in SAVING else {}
            trial.service(fault, instance="mortal", **seconds)
        for trial in trials.values():  # the same name: its producer ends what was left open
            (mortal,) = trial.services
            assert mortal.wait(DEADLINE_S) == -signal.SIGKILL, mortal.log
            trial.service(instance="mortal")
        yield trials


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


@pytest.mark.parametrize("point", FAULTS)
def test_killed(crashes: dict[str, ServiceTrial], point: str) -> None:
    crashes[point].assert_equals_oracle()
