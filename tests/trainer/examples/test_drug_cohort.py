from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.drug_cohort import DRUGS, HOURS, LONGEST, NOISE, curves, draw, effects, recent
from trainer.examples.drug_models import decayed, fit_glm, lagged, now, summed


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


def test_covariates_of_the_glms_look_back_alone() -> None:
    doses = draw(5, np.random.default_rng(2)).doses
    later = doses.copy()
    later[:, 40:] = 1 - later[:, 40:]
    for covariates in (now, summed, decayed(6.0), lagged):
        np.testing.assert_array_equal(covariates(doses)[:, :40], covariates(later)[:, :40])


def test_covariates_are_what_their_names_say() -> None:
    doses = one_dose(0, 5)
    np.testing.assert_array_equal(np.flatnonzero(summed(doses)[0, :, 0]), np.arange(5, 17))
    np.testing.assert_allclose(decayed(6.0)(doses)[0, 5:, 0], np.exp(-np.arange(HOURS - 5) / 6))
    assert recent(doses[..., 0], 3)[0, 4:9].tolist() == [0, 1, 1, 1, 0]
    # The lags of drug A come first, the farthest one foremost.
    np.testing.assert_array_equal(lagged(doses)[0, 10, :24].nonzero()[0], [23 - 5])


def test_a_glm_of_the_true_form_finds_the_true_weight() -> None:
    cohort = draw(400, np.random.default_rng(3))
    cohort.doses[..., 1:] = 0
    exact = type(cohort)(cohort.doses, effects(cohort.doses))
    fitted = fit_glm(decayed(6.0), exact)
    np.testing.assert_allclose(fitted.predict_status(cohort.doses), exact.status, atol=1e-9)
