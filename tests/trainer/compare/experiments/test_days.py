from __future__ import annotations

import numpy as np
import pytest

from streamer.core.variables import INDEX
from streamer.datasets.cohort import Cohort
from tests.support.compare_task import task_of
from tests.support.synthetic_cohort import learnable_file
from trainer.compare.experiments.days import OUTCOMES, cut, day_table
from trainer.compare.protocol.family import Task
from trainer.data.cohort import load_cohort

SAME, NEXT, SEPTIC = OUTCOMES


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of(load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 400)]))


def one_stay(n_hours: int, first_positive: int | None, first_hour: int = 1) -> Task:
    """A stay whose pulse is the number of its ICU hour, and one that is always there."""
    starts = np.array([0, n_hours, n_hours + 3])
    iculos = np.concatenate([first_hour + np.arange(n_hours), [1, 2, 3]]).astype(np.int32)
    values = np.full((n_hours + 3, 34), np.nan, np.float32)
    values[:, INDEX["heart_rate"]] = iculos + 20
    label = np.zeros(n_hours + 3, np.int8)
    if first_positive is not None:
        label[first_positive:n_hours] = 1
    age, word = np.full(2, 60, np.float32), np.full(2, "unknown")
    cohort = Cohort(["p1", "p2"], starts, values, iculos, label, age, word, word, age)
    return task_of(cohort)


def test_onset_counts_where_it_is_and_not_before_the_question() -> None:
    """Labels from row 36 on mean onset at row 42, which is in the second day."""
    material = one_stay(50, 36).material
    same, after = cut(material, SAME), cut(material, NEXT)
    assert same.row.tolist() == [5, 29]
    assert same.positive.tolist() == [False, True]
    assert same.step.tolist() == [0, 1]
    assert after.row.tolist() == [23]  # at hour 48 the onset has come
    assert after.positive.tolist() == [True]
    septic = cut(material, SEPTIC)
    assert septic.row.tolist() == [23, 47]
    assert septic.positive.tolist() == [True, True]
    assert septic.status.tolist() == [False, True]


def test_days_begin_at_admission_and_not_at_the_first_row() -> None:
    material = one_stay(50, None, first_hour=4).material
    assert cut(material, SAME).row.tolist() == [2, 26]
    assert cut(material, NEXT).row.tolist() == [20, 44]
    assert not cut(material, SEPTIC).positive.any()


def test_a_day_is_summed_up_to_its_moment() -> None:
    material = one_stay(50, None, first_hour=4).material
    pulse = INDEX["heart_rate"]
    for outcome, hours in ((SAME, [(4, 6), (25, 30)]), (NEXT, [(4, 24), (25, 48)])):
        table = day_table(material, cut(material, outcome))
        expected = [[b + 20, e + 20, (b + e) / 2 + 20, e - b + 1] for b, e in hours]
        assert table[:, [pulse, 34 + pulse, 68 + pulse, 102 + pulse]].tolist() == expected
        assert np.isnan(table[:, INDEX["lactate"]]).all()


def test_later_hours_change_no_day(task: Task) -> None:
    cohort = task.material.cohort
    days = cut(task.material, NEXT)
    changed = cohort.take(np.arange(len(cohort)))
    late = np.ones(cohort.n_rows, bool)
    for row, stay in zip(days.row.tolist(), days.stay.tolist(), strict=True):
        late[cohort.starts[stay] : row + 1] = False
    changed.values[late, INDEX["heart_rate"]] = 200
    np.testing.assert_array_equal(
        day_table(task_of(changed).material, days), day_table(task.material, days)
    )
