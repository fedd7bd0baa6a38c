from __future__ import annotations

import numpy as np
import pytest

from streamer.datasets.cohort import Cohort
from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.shallow import SHALLOW
from trainer.compare.protocol.family import Family, Fitted, Task
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)])


@pytest.fixture(scope="module")
def task(cohort: Cohort) -> Task:
    return task_of(cohort)


def fitted(family: Family, task: Task) -> Fitted:
    return family.fit(task, family.candidates[0] if family.candidates else {}, None)


def test_naive_bayes_is_not_surer_than_a_calibration_can_mend(task: Task) -> None:
    """Log odds of 20 are one in 500 million; the sum over its columns goes to 70 here."""
    family = next(family for family in SHALLOW if family.name == "naive Bayes")
    scores = fitted(family, task).scores(task.material.split.validation)
    known = scores[np.isfinite(scores)]
    assert np.abs(known - np.median(known)).max() < 20
