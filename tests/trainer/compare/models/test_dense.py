from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models import dense
from trainer.compare.models.dense import DENSE, EPOCHS, network
from trainer.compare.protocol.family import Task
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)]))


def scores_when_ranked(task: Task, monkeypatch: pytest.MonkeyPatch, *ranking: float) -> np.ndarray:
    """The scores after a fit whose epochs rank the validation patients like this."""
    epochs = iter(ranking)
    monkeypatch.setattr(dense, "auroc", lambda *_: next(epochs))
    stays = task.material.split.validation
    return DENSE[0].fit(task, {"units": 8}, None).scores(stays)[task.material.rows_of(stays)]


def test_the_network_gives_a_logit_for_each_row() -> None:
    assert network(5, 4)(torch.zeros(7, 5)).shape == (7, 1)


def test_the_epoch_that_ranks_validation_patients_best_is_kept(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EPOCHS == 4
    second = scores_when_ranked(task, monkeypatch, 0.5, 0.9, 0.7, 0.6)
    tied = scores_when_ranked(task, monkeypatch, 0.5, 0.9, 0.9, 0.6)
    last = scores_when_ranked(task, monkeypatch, 0.5, 0.6, 0.7, 0.9)
    np.testing.assert_array_equal(second, tied)
    assert not np.array_equal(second, last)
