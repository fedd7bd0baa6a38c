from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.training_material import material_of, without_teacher
from trainer.data.dataset import Material
from trainer.training.loss import Objective


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums; and the suite runs beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material_of(learnable_file(tmp_path_factory.mktemp("data")))


def test_hours_count_alike_whatever_batch_they_are_in(material: Material) -> None:
    objective = Objective(material.cohort, QUICK, without_teacher(material), torch.device("cpu"))
    rows = np.arange(30)
    logits = torch.randn(30, 3, generator=torch.Generator().manual_seed(1))
    apart = objective.loss(logits[:10], rows[:10], 15) + objective.loss(logits[10:], rows[10:], 15)
    # Sums of 30 floats in another order.
    assert apart.item() / 2 == pytest.approx(objective.loss(logits, rows).item(), rel=1e-5)


def test_the_initial_logits_are_the_best_constants(material: Material) -> None:
    objective = Objective(material.cohort, QUICK, without_teacher(material), torch.device("cpu"))
    rows = material.rows_of(material.split.train)
    best = objective.log_odds(rows)
    least = objective.loss(best.expand(len(rows), 3), rows)
    for head in range(3):
        for step in (-0.1, 0.1):
            other = best.clone()
            other[head] += step
            assert objective.loss(other.expand(len(rows), 3), rows) > least


def test_a_head_without_a_positive_row_begins_at_one_in_a_million(material: Material) -> None:
    objective = Objective(material.cohort, QUICK, without_teacher(material), torch.device("cpu"))
    healthy = np.flatnonzero(~material.cohort.septic[material.cohort.patient_of_row])
    assert torch.sigmoid(objective.log_odds(healthy)).tolist() == pytest.approx([1e-6] * 3, rel=0.1)


def test_the_teachers_risk_moves_the_first_target_alone(material: Material) -> None:
    soft_labels = without_teacher(material)
    plain = Objective(material.cohort, QUICK, soft_labels, torch.device("cpu"))
    soft_labels.risk[:] = 0.5
    taught = Objective(material.cohort, QUICK, soft_labels, torch.device("cpu"))
    rows = material.rows_of(material.split.train)
    moved = taught.log_odds(rows) - plain.log_odds(rows)
    assert moved[0] > 0.1  # towards even odds, from a few percent
    assert moved[1:].tolist() == [0, 0]
