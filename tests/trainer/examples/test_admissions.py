from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.admissions import (
    DAYS,
    FOLLOWED_DAYS,
    MAX_ADMISSIONS,
    VULNERABLE,
    Admissions,
    generate,
    rate,
)


@pytest.fixture(scope="module")
def cohort() -> Admissions:
    return generate(4000, np.random.default_rng(0))


def column(cohort: Admissions, name: str) -> np.ndarray:
    return cohort.x[:, cohort.names.index(name)]


def test_columns_of_the_last_admission_equal_its_label(cohort: Admissions) -> None:
    later = np.flatnonzero(cohort.n_before > 0)
    back = column(cohort, "back within 30 days last time")
    np.testing.assert_array_equal(back[later], cohort.readmitted[later - 1])
    days = np.exp(column(cohort, "log days since the last discharge"))
    np.testing.assert_array_equal(days[later] <= DAYS, cohort.readmitted[later - 1])
    first = cohort.n_before == 0
    assert np.isnan(days[first]).all()
    assert not back[first].any()


def test_a_patient_is_followed_for_the_documented_time(cohort: Admissions) -> None:
    lengths = np.diff(cohort.starts)
    assert lengths.min() >= 1
    assert lengths.max() <= MAX_ADMISSIONS
    days = np.exp(np.nan_to_num(column(cohort, "log days since the last discharge"), nan=-np.inf))
    assert np.add.reduceat(days, cohort.starts[:-1]).max() <= FOLLOWED_DAYS


def test_the_rate_is_the_documented_one() -> None:
    zero, no, yes = np.zeros(1), np.zeros(1, bool), np.ones(1, bool)
    plain = rate(zero, zero, zero, no, np.array([65.0]))
    np.testing.assert_allclose(plain, np.exp(-7))
    np.testing.assert_allclose(rate(zero, zero, zero, yes, np.array([65.0])) / plain, np.exp(1.5))
    np.testing.assert_allclose(
        rate(zero, zero + 1, zero, no, np.array([65.0])) / plain, np.exp(0.8)
    )


def test_an_infection_is_felt_after_the_next_discharges_too(cohort: Admissions) -> None:
    infected = column(cohort, "severe infection").astype(bool)
    since = np.full(len(infected), 99)
    for row in range(len(infected)):
        if infected[row]:
            since[row] = 0
        elif cohort.n_before[row] > 0:
            since[row] = since[row - 1] + 1
    vulnerable = since < VULNERABLE
    last = (since > 0) & vulnerable
    assert cohort.readmitted[last].mean() > 2 * cohort.readmitted[~vulnerable].mean()
