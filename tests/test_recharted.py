from __future__ import annotations

import numpy as np
import pytest

from streamer.adapters.cohort import Cohort
from tests.invented_cohort import learnable_file
from trainer.cohort import load_cohort
from trainer.recharted import LATE, MOST_LEFT_OUT, NEVER_MEASURED, recharted, with_copies


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 200)])


@pytest.fixture(scope="module")
def copy(cohort: Cohort) -> Cohort:
    return recharted(cohort, np.random.default_rng(0))


def test_a_copy_has_its_patient_hours_and_labels(cohort: Cohort, copy: Cohort) -> None:
    assert copy.patient_ids == cohort.patient_ids
    np.testing.assert_array_equal(copy.starts, cohort.starts)
    np.testing.assert_array_equal(copy.iculos, cohort.iculos)
    np.testing.assert_array_equal(copy.label, cohort.label)
    assert copy.values.dtype == copy.age.dtype == np.float32


def test_measurements_are_left_out_and_none_is_invented(cohort: Cohort, copy: Cohort) -> None:
    before, after = ~np.isnan(cohort.values), ~np.isnan(copy.values)
    assert not (after & ~before).any()
    kept = after.sum() / before.sum()
    fewest = (1 - MOST_LEFT_OUT) * (1 - NEVER_MEASURED) * (1 - LATE)
    assert fewest < kept < (1 - MOST_LEFT_OUT / 4)
    share = [after[copy.rows(i)].sum() / before[cohort.rows(i)].sum() for i in range(len(cohort))]
    assert min(share) < 0.4
    assert max(share) > 0.9


def test_values_move_by_a_fraction_of_their_spread(cohort: Cohort, copy: Cohort) -> None:
    pulse = 0
    moved = (copy.values - cohort.values)[:, pulse]
    spread = np.nanstd(cohort.values[:, pulse])
    assert 0.1 * spread < np.nanstd(moved) < 0.4 * spread
    # All values of a stay move together, but for noise.
    apart = [np.nanstd(moved[copy.rows(i)]) for i in range(len(copy)) if kept_pulse(copy, i) > 3]
    assert np.mean(apart) < 0.06 * spread


def kept_pulse(copy: Cohort, stay: int) -> int:
    return int((~np.isnan(copy.values[copy.rows(stay), 0])).sum())


def test_copies_stand_behind_the_cohort_and_leave_it_as_it_is(cohort: Cohort) -> None:
    stays = np.array([3, 8, 11])
    everything, copies = with_copies(cohort, stays, 2, seed=4)
    assert copies.tolist() == [[200, 201, 202], [203, 204, 205]]
    np.testing.assert_array_equal(everything.values[: cohort.n_rows], cohort.values)
    for again in copies:
        assert [everything.patient_ids[i] for i in again] == [cohort.patient_ids[i] for i in stays]
    one, two = (everything.values[everything.rows(again[0])] for again in copies)
    assert not np.array_equal(one, two, equal_nan=True)
    same, _ = with_copies(cohort, stays, 2, seed=4)
    np.testing.assert_array_equal(same.values, everything.values)


def test_without_copies_a_cohort_stays_the_same(cohort: Cohort) -> None:
    everything, copies = with_copies(cohort, np.array([3, 8]), 0, seed=4)
    assert everything.n_rows == cohort.n_rows
    assert len(copies) == 0
