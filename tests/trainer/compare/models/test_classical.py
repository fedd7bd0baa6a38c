from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.classical import FAMILIES
from trainer.compare.models.markov import status_before
from trainer.compare.protocol.family import Family, Fitted, Level, Task
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.rolling import elapsed_hours
from trainer.data.split import split_patients
from trainer.data.windows import window_features
from trainer.metrics.ranking import auroc

CUT = 10
"""What comes from this row of a stay on is changed."""
BLIND = {"prevalence", "qSOFA (2 of 3)", "partial SOFA"}
"""Nothing of what these look at is in the invented stays."""


def task_of(cohort: Cohort) -> Task:
    built = build_features(cohort)
    split = split_patients(cohort.patient_ids)
    scaling = fit_scaling(built, np.isin(cohort.patient_of_row, split.train))
    return Task(Material(cohort, built, scaling, split), seed=0, threads=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 150)])


@pytest.fixture(scope="module")
def task(cohort: Cohort) -> Task:
    return task_of(cohort)


@pytest.fixture(scope="module")
def other_future(cohort: Cohort, task: Task) -> Task:
    """The same stays; those of test patients go on in another way, septic or not."""
    changed = cohort.take(np.arange(len(cohort)))
    late = np.isin(cohort.patient_of_row, task.material.split.test) & (
        elapsed_hours(cohort.starts) >= CUT
    )
    for name, value in {"heart_rate": 170, "sbp": 70, "resp_rate": 40, "creatinine": 6}.items():
        changed.values[late, INDEX[name]] = value
    changed.label[late] ^= 1
    return task_of(changed)


def fitted(family: Family, task: Task) -> Fitted:
    return family.fit(task, family.candidates[0] if family.candidates else {}, None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_score_follows_from_hours_gone_by_and_from_training_patients(
    family: Family, task: Task, other_future: Task
) -> None:
    """Fitted twice: to test patients whose later hours differ, and are nowhere to be seen."""
    material = task.material
    test = material.split.test
    model = fitted(family, task)
    before, after = model.scores(test), fitted(family, other_future).scores(test)
    mine = np.isin(material.cohort.patient_of_row, test)
    assert np.isfinite(before[mine]).all()
    assert np.isnan(before[~mine]).all()
    late = elapsed_hours(material.cohort.starts) >= CUT
    np.testing.assert_array_equal(after[mine & ~late], before[mine & ~late])
    if family.name not in {"prevalence", "clock alone", "Markov chain on its own prediction"}:
        assert not np.array_equal(after[mine & late], before[mine & late])

    ranking = auroc(material.cohort.label[mine], before[mine])
    if family.name in BLIND:
        assert ranking == 0.5
    else:
        assert ranking > 0.55
    assert (model.state_bytes == 0) == (family.name == "prevalence")


def test_naive_bayes_is_not_surer_than_a_calibration_can_mend(task: Task) -> None:
    """Log odds of 20 are one in 500 million; the sum over its columns goes to 70 here."""
    family = next(family for family in FAMILIES if family.name == "naive Bayes")
    scores = fitted(family, task).scores(task.material.split.validation)
    known = scores[np.isfinite(scores)]
    assert np.abs(known - np.median(known)).max() < 20


def test_a_chain_that_knows_no_patient_is_a_reference() -> None:
    level = {family.name: family.level for family in FAMILIES}
    assert level["Markov chain on its own prediction"] is Level.REFERENCE
    assert level["AR(1) GLM on its own prediction"] is Level.SEQUENCE


def test_families_have_three_candidates_or_none_and_names_of_their_own() -> None:
    assert {len(family.candidates) for family in FAMILIES} == {0, 3}
    assert all(not f.candidates for f in FAMILIES if f.level is Level.REFERENCE)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize(
    "family",
    [f for f in FAMILIES if f.level in (Level.SNAPSHOT, Level.WINDOW)],
    ids=lambda f: f.name,
)
def test_whom_else_one_asks_about_changes_no_score(family: Family, task: Task) -> None:
    model = fitted(family, task)
    both = task.material.split.test[:2]
    rows = task.material.rows_of(both[1:])
    np.testing.assert_allclose(
        model.scores(both[1:])[rows], model.scores(both)[rows], rtol=1e-4, atol=1e-5
    )


def test_the_status_before_is_that_of_the_same_stay(cohort: Cohort) -> None:
    status = status_before(cohort)
    for stay in range(len(cohort)):
        rows = cohort.rows(stay)
        assert status[rows].tolist() == [0, *cohort.label[rows][:-1].tolist()]


def test_tables_do_not_depend_on_how_stays_are_cut(tmp_path: Path) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 24)])
    material = task_of(cohort).material
    together = window_features(material, np.arange(24))
    alone = np.concatenate([window_features(material, np.array([i])) for i in range(24)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-4)
