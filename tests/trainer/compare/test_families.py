from __future__ import annotations

import numpy as np
import pytest

from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort
from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.families import everybody
from trainer.compare.models.recurrent import RECURRENT
from trainer.compare.protocol.family import Family, Fitted, Level, Task
from trainer.compare.protocol.results import slug
from trainer.data.cohort import load_cohort
from trainer.data.rolling import elapsed_hours
from trainer.metrics.ranking import auroc

ENTRANTS = everybody()
NOT_RECURRENT = tuple(f for f in ENTRANTS.families if f.name not in {r.name for r in RECURRENT})
CUT = 10
"""From this row of a stay on everything is changed."""


BLIND = {"prevalence", "qSOFA (2 of 3)", "partial SOFA"}
"""The synthetic stays have no values that these use."""


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


@pytest.mark.parametrize("family", NOT_RECURRENT, ids=lambda family: family.name)
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


def test_families_have_three_candidates_or_none_and_names_of_their_own() -> None:
    assert {len(family.candidates) for family in NOT_RECURRENT} == {0, 3}
    assert all(not f.candidates for f in NOT_RECURRENT if f.level is Level.REFERENCE)
    assert len({family.name for family in NOT_RECURRENT}) == len(NOT_RECURRENT)


@pytest.mark.parametrize(
    "family",
    [f for f in NOT_RECURRENT if f.level in (Level.SNAPSHOT, Level.WINDOW)],
    ids=lambda f: f.name,
)
def test_other_stays_in_a_call_change_no_score(family: Family, task: Task) -> None:
    model = fitted(family, task)
    both = task.material.split.test[:2]
    rows = task.material.rows_of(both[1:])
    np.testing.assert_allclose(
        model.scores(both[1:])[rows], model.scores(both)[rows], rtol=1e-4, atol=1e-5
    )


def test_every_family_has_three_candidates_or_none_and_a_name_of_its_own() -> None:
    families = ENTRANTS.families
    assert {len(family.candidates) for family in families} == {0, 3}
    assert len({slug(family.name) for family in families}) == len(families)
    assert ENTRANTS.trees in {family.name for family in families if family.level is Level.WINDOW}
    assert {family.level for family in families} == set(Level)
