from __future__ import annotations

import pytest

from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.models.markov import MARKOV, status_before
from trainer.compare.protocol.family import Level
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)])


def test_a_chain_that_knows_no_patient_is_a_reference() -> None:
    level = {family.name: family.level for family in MARKOV}
    assert level["Markov chain on its own prediction"] is Level.REFERENCE
    assert level["AR(1) GLM on its own prediction"] is Level.SEQUENCE


def test_the_status_before_is_that_of_the_same_stay(cohort: Cohort) -> None:
    status = status_before(cohort)
    for stay in range(len(cohort)):
        rows = cohort.rows(stay)
        assert status[rows].tolist() == [0, *cohort.label[rows][:-1].tolist()]
