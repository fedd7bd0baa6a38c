from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.lstm_network import HORIZONS
from streamer.datasets.cohort import Cohort
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.alert_replay import alert_starts
from trainer.decisions.operating_point import calibrate, choose_operating_point, uncalibrated
from trainer.decisions.predictions import cohort_logits
from trainer.decisions.thresholds import best_utility_threshold


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 120)])


@pytest.fixture(scope="module")
def score(cohort: Cohort) -> NDArray[np.float64]:
    """(R,) higher where the label is positive."""
    return np.random.default_rng(1).normal(-3 + 2 * cohort.label, 1)


def test_decisions_follow_from_the_calibrated_risk(
    cohort: Cohort, score: NDArray[np.float64]
) -> None:
    point, alerts = choose_operating_point(score, cohort, alert_budget=0.5)
    scored = point.apply(cohort, score)
    assert scored.patient_ids == cohort.patient_ids
    # The prior pulls a bin towards the line, whose own mean is right to its last step.
    assert scored.risk.mean() == pytest.approx(cohort.label.mean(), rel=0.1)
    order = np.argsort(score, kind="stable")
    assert (np.diff(scored.risk[order]) >= 0).all()
    np.testing.assert_array_equal(scored.positive, scored.risk > point.threshold)
    assert point.threshold == best_utility_threshold(cohort.label, cohort.starts, scored.risk)
    starts = alert_starts(scored.risk, cohort.starts, point.policy)
    np.testing.assert_array_equal(scored.alert_starts, starts)
    assert point.policy.medium == alerts.threshold
    assert alerts.starts_per_patient_day == starts.sum() / (cohort.n_rows / 24) <= 0.5


def test_a_calibrated_model_is_the_network_with_the_operating_point_of_its_first_head(
    cohort: Cohort,
) -> None:
    raw = random_model(seed=1)
    validation = Dataset(cohort, build_features(cohort), np.arange(0, 120, 2))
    calibrated = calibrate(raw.network, raw.scaling, validation, alert_budget=0.5)
    model = calibrated.model
    assert model.network is raw.network
    assert len(model.calibrations) == len(HORIZONS)
    logits = cohort_logits(uncalibrated(raw.network, raw.scaling, raw.variables), validation)[
        validation.rows
    ]
    point, alerts = choose_operating_point(logits[:, 0], validation.part, 0.5)
    assert (model.threshold, model.policy) == (point.threshold, point.policy)
    assert calibrated.alerts == alerts
    assert (np.diff(calibrated.thresholds) < 0).all()
    best = calibrated.thresholds[calibrated.utilities.argmax()]
    assert best == model.threshold


def test_only_the_validation_stays_are_looked_at(cohort: Cohort) -> None:
    raw, stays = random_model(seed=1), np.arange(0, 120, 2)
    built = build_features(cohort)
    before = calibrate(raw.network, raw.scaling, Dataset(cohort, built, stays), 0.5)
    other = cohort.take(np.arange(120))
    hidden = ~np.isin(other.patient_of_row, stays)
    other.label[hidden] ^= 1
    changed = np.where(hidden[:, None], np.float32(7), built)
    after = calibrate(raw.network, raw.scaling, Dataset(other, changed, stays), 0.5)
    assert (after.model.threshold, after.alerts) == (before.model.threshold, before.alerts)
    assert after.model.policy == before.model.policy
