from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from tests.support.compare_task import material_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models import sequences
from trainer.compare.models.recurrent import RECURRENT
from trainer.compare.models.sequences import FittedSequence
from trainer.compare.protocol.family import Family, Task
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material

QUICK = {"hidden": 8, "learning_rate": 3e-2, "dropout": 0.1, "epochs": 3}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def material() -> Material:
    with TemporaryDirectory() as folder:
        return material_of(load_cohort([learnable_file(Path(folder), 300)]))


def fit(family: Family, task: Task) -> FittedSequence:
    fitted = family.fit(task, QUICK, None)
    assert isinstance(fitted, FittedSequence)
    return fitted


def test_the_best_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.9, 0.7])
    monkeypatch.setattr(sequences, "_validation_score", lambda _: next(scores))
    stays = material().split.validation
    kept = fit(RECURRENT[0], Task(material(), 0, 1)).scores(stays)
    scores = iter([0.9, 0.7, 0.5])
    first = fit(RECURRENT[0], Task(material(), 0, 1)).scores(stays)
    scores = iter([0.5, 0.7, 0.9])
    last = fit(RECURRENT[0], Task(material(), 0, 1)).scores(stays)
    assert not np.array_equal(kept, first, equal_nan=True)
    assert not np.array_equal(kept, last, equal_nan=True)


def test_progress_ends_where_it_said() -> None:
    steps: list[tuple[int, int]] = []
    RECURRENT[0].fit(Task(material(), 0, 1), QUICK, lambda *step: steps.append(step))
    assert [done for done, _ in steps] == list(range(1, steps[0][1] + 1))
