from __future__ import annotations

import numpy as np
import pytest

from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.trees import TREES
from trainer.compare.protocol.family import Level, Task
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)]))


def test_trees_are_compared_on_a_snapshot_and_on_windows() -> None:
    assert [family.level for family in TREES] == [Level.SNAPSHOT, Level.WINDOW, Level.WINDOW]


def test_equal_seeds_grow_equal_trees_and_progress_stops_with_them(task: Task) -> None:
    family, stays = TREES[0], task.material.split.validation
    steps: list[tuple[int, int]] = []
    first = family.fit(task, {"leaves": 15}, lambda *step: steps.append(step)).scores(stays)
    second = family.fit(task, {"leaves": 15}, None).scores(stays)
    np.testing.assert_array_equal(first, second)
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert len(steps) <= steps[0][1]
