from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.support.scored_stays import random_risks
from tests.support.synthetic_stays import random_labels
from trainer.metrics.calibration_error import (
    expected_calibration_error,
    logistic_line,
    logit,
    mass_bins,
    newton_step,
    reliability_points,
)

# Sums of some thousand doubles in another order.
ROUNDING = 1e-12


def test_bins_are_of_equal_mass_and_ties_stay_together() -> None:
    spread = np.random.default_rng(0).permutation(np.arange(1000) / 1000)
    assert np.bincount(mass_bins(spread)).tolist() == [50] * 20
    heaped = np.array([0.1] * 900 + [0.2] * 60 + [0.3] * 40)
    bins = mass_bins(heaped)
    assert len({(b, r) for b, r in zip(bins.tolist(), heaped.tolist(), strict=True)}) == 3


def test_calibration_error_worked_by_hand() -> None:
    label = np.array([0, 0, 1, 1, 1, 0, 0, 0])
    risk = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    # Two bins of four: mean risk 0.25 and 0.75, share 0.5 and 0.25: (0.25 + 0.5)/2.
    error = expected_calibration_error(label, risk, n_bins=2)
    assert error == pytest.approx(0.375, rel=0, abs=ROUNDING)
    mean, share = reliability_points(label, risk, n_bins=2)
    assert mean.tolist() == pytest.approx([0.25, 0.75], rel=0, abs=ROUNDING)
    assert share.tolist() == [0.5, 0.25]


def test_logistic_line_equals_scikit_learns() -> None:
    label, _ = random_labels(4)
    x = logit(random_risks(label, 4))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], label)
    slope, intercept = logistic_line(x, label)
    # What scikit-learn's optimiser leaves at its tolerance.
    assert slope == pytest.approx(float(fitted.coef_[0, 0]), rel=1e-5)
    assert intercept == pytest.approx(float(fitted.intercept_[0]), rel=1e-5)


def test_logistic_line_has_no_answer_where_there_is_none() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    assert np.isnan(logistic_line(x, np.array([0, 0, 1, 1]))).all()
    assert np.isnan(logistic_line(x, np.zeros(4, np.int64))).all()
    slope, _ = logistic_line(x, np.array([0, 0, 1, 1]), prior_weight=1.0)
    assert 1 < slope < 5


def test_logit_is_finite_where_risks_were_rounded() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert logit(np.array([0.25]))[0] == pytest.approx(math.log(1 / 3), rel=0, abs=ROUNDING)


def test_a_line_that_runs_away_is_given_up() -> None:
    x, y = np.array([-1.0, 1.0]), np.array([0.0, 1.0])
    with pytest.raises(np.linalg.LinAlgError, match="separated"):
        newton_step(x, y, np.ones(2), np.array([1e7, 0.0]))
