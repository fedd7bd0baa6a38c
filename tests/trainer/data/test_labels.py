from __future__ import annotations

import numpy as np
import pytest

from tests.support.paths import DATA
from tests.support.synthetic_stays import random_labels
from trainer.data.cohort import counts, load_cohort
from trainer.data.labels import HORIZON_HOURS, horizon_labels, hours_from_onset, onset_rows
from trainer.metrics.utility import best_predictions, normalized_utility


def test_horizons_begin_that_many_hours_before_onset() -> None:
    label = np.zeros(70, np.int8)
    label[60:] = 1  # onset at row 66
    horizons = horizon_labels(label, np.array([0, 70]))
    begins = [int(horizons[:, head].argmax()) for head in range(3)]
    assert begins == [66 - hours for hours in HORIZON_HOURS]
    for head, begin in enumerate(begins):
        assert horizons[:, head].tolist() == [0] * begin + [1] * (70 - begin)


def test_stays_do_not_reach_into_each_other() -> None:
    label, starts = random_labels(1)
    alone = [
        horizon_labels(label[a:b], np.array([0, b - a]))
        for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    np.testing.assert_array_equal(horizon_labels(label, starts), np.concatenate(alone))


def test_the_first_head_is_the_label_as_given_and_heads_are_nested() -> None:
    label, starts = random_labels(2)
    horizons = horizon_labels(label, starts)
    np.testing.assert_array_equal(horizons[:, 0], label)
    assert (np.diff(horizons, axis=1) >= 0).all()
    assert horizons.sum(axis=0).tolist() == sorted(set(horizons.sum(axis=0).tolist()))


def test_a_label_from_the_first_row_on_has_its_onset_six_rows_later() -> None:
    label, starts = np.array([1, 1, 0, 1], np.int8), np.array([0, 2, 3, 4])
    assert onset_rows(label, starts).tolist() == [6, np.inf, 6]
    assert hours_from_onset(label, starts).tolist() == [-6, -5, -np.inf, -6]


def test_stays_that_end_early_without_sepsis_are_negative() -> None:
    assert not horizon_labels(np.zeros(5, np.int8), np.array([0, 2, 5])).any()


@pytest.mark.skipif(not DATA.is_dir(), reason="the PhysioNet files are not here")
def test_labels_and_utility_of_the_public_patients() -> None:
    cohort = load_cohort([DATA / "cinc2019"])
    n = counts(cohort)
    assert (n.n_patients, n.n_septic) == (32_419, 2_345)
    assert (n.n_rows, n.n_positive_rows) == (1_246_058, 22_335)
    horizons = horizon_labels(cohort.label, cohort.starts)
    np.testing.assert_array_equal(horizons[:, 0], cohort.label)
    never = np.zeros(cohort.n_rows, np.bool_)
    assert normalized_utility(cohort.label, cohort.starts, never) == 0
    ideal = best_predictions(cohort.label, cohort.starts)
    assert normalized_utility(cohort.label, cohort.starts, ideal) == 1
