from __future__ import annotations

import numpy as np
import pytest

from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.references import REFERENCES
from trainer.compare.protocol.family import Task
from trainer.data.clinical_scores import Chart, news2_score
from trainer.data.cohort import load_cohort

BY_NAME = {family.name: family for family in REFERENCES}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)]))


def test_prevalence_is_the_share_of_positive_training_hours(task: Task) -> None:
    material = task.material
    scores = BY_NAME["prevalence"].fit(task, {}, None).scores(material.split.test)
    share = material.cohort.label[material.rows_of(material.split.train)].mean()
    np.testing.assert_allclose(
        scores[material.rows_of(material.split.test)], np.log(share / (1 - share))
    )


def test_the_clock_scores_equal_hours_alike(task: Task) -> None:
    material = task.material
    rows = material.rows_of(material.split.test)
    scores = BY_NAME["clock alone"].fit(task, {}, None).scores(material.split.test)[rows]
    hours = material.cohort.iculos[rows]
    for hour in np.unique(hours)[:10]:
        assert np.ptp(scores[hours == hour]) < 1e-9
    assert np.ptp(scores) > 0


def test_a_bedside_score_is_that_of_the_chart(task: Task) -> None:
    material, stays = task.material, task.material.split.test
    scores = BY_NAME["NEWS2 (without CVPU)"].fit(task, {}, None).scores(stays)
    expected = news2_score(Chart.from_cohort(material.cohort.take(stays)))
    np.testing.assert_array_equal(scores[material.rows_of(stays)], expected)
