from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.drug_cohort import DRUGS, HOURS, LONGEST, NOISE, curves, draw, effects


def one_dose(drug: int, hour: int) -> np.ndarray:
    doses = np.zeros((1, HOURS, len(DRUGS)))
    doses[0, hour, drug] = 1
    return doses


@pytest.mark.parametrize("drug", range(len(DRUGS)))
def test_one_dose_acts_as_its_curve_says(drug: int) -> None:
    status = effects(one_dose(drug, 20))[0]
    np.testing.assert_allclose(status[:20], 0)
    np.testing.assert_allclose(status[20 : 20 + LONGEST], curves()[drug], atol=1e-12)


def test_the_curves_have_the_shapes_that_are_documented() -> None:
    a, b, c = curves()
    np.testing.assert_allclose(a[1:] / a[:-1], np.exp(-1 / 6))
    np.testing.assert_array_equal(b, [1.5] * 12 + [0] * 24)
    np.testing.assert_array_equal(c[:8], 0)
    np.testing.assert_allclose(c[8:17], -1.2)
    np.testing.assert_allclose(np.diff(c[16:25]), 0.15)
    np.testing.assert_array_equal(c[24:], 0)


def test_doses_of_a_and_c_add_up_and_those_of_b_only_last_longer() -> None:
    for drug in range(len(DRUGS)):
        both = effects(one_dose(drug, 10) + one_dose(drug, 14))
        apart = effects(one_dose(drug, 10)) + effects(one_dose(drug, 14))
        if drug == 1:
            np.testing.assert_array_equal(
                both[0], 1.5 * ((np.arange(HOURS) >= 10) & (np.arange(HOURS) < 26))
            )
        else:
            np.testing.assert_allclose(both, apart)


def test_the_status_is_the_effect_and_noise() -> None:
    cohort = draw(200, np.random.default_rng(1))
    rest = cohort.status - effects(cohort.doses)
    assert rest.std() == pytest.approx(NOISE, rel=0.03)
    assert abs(rest.mean()) < 0.02
