from __future__ import annotations

import numpy as np
import pytest

from tests.support.compare_task import task_of
from tests.support.comparison import Compared
from tests.support.synthetic_cohort import learnable_file
from tests.support.tiny_families import GOOD
from trainer.compare.experiments.transfer import can_transfer, task_at
from trainer.compare.protocol.family import Task
from trainer.compare.run import TRANSFER_NAME
from trainer.data.cohort import load_cohort, stays_of_site


def test_each_hospital_is_scored_by_models_of_the_other(compared: Compared) -> None:
    transfers = [result for result, _ in compared.findings.transfers]
    ways = [(c.name, c.trained_on, c.judged_on, c.calibrated_on) for c in transfers]
    for name in (TRANSFER_NAME, GOOD.name):
        for here, there in (("A", "B"), ("B", "A")):
            assert (name, here, there, here) in ways
            assert (name, here, there, there) in ways
    for result, standing in compared.findings.transfers:
        sites = {patient[:2] for patient in result.scored.patient_ids}
        assert sites == {"p0" if result.judged_on == "A" else "p1"}
        assert standing.figures["n_patients"] == len(result.scored.patient_ids)
    # The first of a hospital is the final model: the others are compared with it.
    assert [bool(s.differences) for _, s in compared.findings.transfers].count(False) == 2


def test_calibrating_anew_leaves_the_ranking(compared: Compared) -> None:
    standing = {
        (r.name, r.trained_on, r.judged_on, r.calibrated_on): s
        for r, s in compared.findings.transfers
    }
    before, after = standing[GOOD.name, "A", "B", "A"], standing[GOOD.name, "A", "B", "B"]
    # Risks are rounded to seven decimals, so a few may tie.
    assert after.figures["auroc"] == pytest.approx(before.figures["auroc"], abs=1e-4)
    assert after.figures["brier"] != before.figures["brier"]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 160)]))


def test_a_hospital_has_its_own_patients_and_scaling(task: Task) -> None:
    assert can_transfer(task.material)
    here = task_at(task, "A").material
    of_a = set(stays_of_site(here.cohort, "A").tolist())
    whole = task.material.split
    assert set(here.split.train.tolist()) == of_a & set(whole.train.tolist())
    assert set(here.split.validation.tolist()) == of_a & set(whole.validation.tolist())
    rows = here.rows_of(here.split.train)
    pulse = np.nanmean(here.built[rows, 0], dtype=np.float64)
    assert here.scaling.mean[0] == pytest.approx(pulse, rel=1e-6)  # float32 keeps 7 digits
    assert here.scaling.mean[0] != task.material.scaling.mean[0]


def test_one_hospital_alone_cannot_be_left(task: Task) -> None:
    cohort = task.material.cohort
    alone = task_of(cohort.take(stays_of_site(cohort, "A")))
    assert not can_transfer(alone.material)
