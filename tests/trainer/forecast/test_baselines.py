from __future__ import annotations

import json

import numpy as np

from streamer.core.forecast import FORECAST_VITALS, HOURS
from trainer.data.dataset import Material
from trainer.forecast.baselines import NAMES, Baselines, fit_baselines
from trainer.forecast.hours import Future, last_known, running_mean


def test_coefficients_are_kept() -> None:
    draws = np.random.default_rng(0)
    baselines = Baselines(*draws.normal(size=(2, 5, 6, 3)))
    kept = Baselines.from_json(json.loads(json.dumps(baselines.to_json())))
    np.testing.assert_allclose(kept.ar1, baselines.ar1, rtol=1e-5)
    np.testing.assert_allclose(kept.ar1_mean, baselines.ar1_mean, rtol=1e-5)


def test_baselines_are_linear_in_the_last_value_and_the_running_mean(material: Material) -> None:
    baselines, seen = fit_baselines(material), material.built[:50]
    forecasts = baselines.predict(seen)
    assert tuple(forecasts) == NAMES
    assert {values.shape for values in forecasts.values()} == {
        (50, len(FORECAST_VITALS), len(HOURS))
    }
    last, mean = last_known(seen)[:, 1].astype(float), running_mean(seen)[:, 1].astype(float)
    for hour in range(len(HOURS)):
        np.testing.assert_array_equal(forecasts["last"][:, 1, hour], last)
        for name in ("ar1", "ar1_mean"):
            a, b, c = getattr(baselines, name)[1, hour]
            np.testing.assert_allclose(forecasts[name][:, 1, hour], a + b * last + c * mean)
    assert (baselines.ar1[:, :, 2] == 0).all()


def test_a_vital_sign_that_was_never_measured_has_no_coefficients(material: Material) -> None:
    assert (fit_baselines(material).ar1_mean[FORECAST_VITALS.index("spo2")] == 0).all()


def test_absolute_errors_are_least(material: Material) -> None:
    baselines = fit_baselines(material)
    rows = material.rows_of(material.split.train)
    target = Future(material.cohort).after(rows)[:, 0, 0]
    least = np.nanmean(np.abs(baselines.predict(material.built[rows])["ar1"][:, 0, 0] - target))
    for i, step in ((0, 0.5), (0, -0.5), (1, 0.05), (1, -0.05)):
        other = Baselines(baselines.ar1.copy(), baselines.ar1_mean)
        other.ar1[0, 0, i] += step
        error = np.abs(other.predict(material.built[rows])["ar1"][:, 0, 0] - target)
        assert np.nanmean(error) > least
