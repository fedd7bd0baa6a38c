from __future__ import annotations

import numpy as np

from trainer.examples.drug_cohort import DRUGS, HOURS, draw, effects, recent
from trainer.examples.drug_models import decayed, fit_glm, lagged, now, summed


def one_dose(drug: int, hour: int) -> np.ndarray:
    doses = np.zeros((1, HOURS, len(DRUGS)))
    doses[0, hour, drug] = 1
    return doses


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
