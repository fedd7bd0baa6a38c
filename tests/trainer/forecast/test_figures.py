from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.core.forecast import HOURS
from streamer.core.model import Model
from tests.support.wandering_stays import MEMORY
from trainer.data.dataset import Material
from trainer.forecast.baselines import fit_baselines
from trainer.forecast.figures import forecast_figures
from trainer.forecast.hours import Future, outputs


def test_it_learns_the_law_and_beats_the_last_value(material: Material, trained: Model) -> None:
    baselines = fit_baselines(material)
    figures = forecast_figures(trained, baselines, material.side("test"), n_bootstrap=50)
    for name in ("heart_rate", "map"):
        by_hour = figures[name]
        assert by_hour["mae"][5] < 0.9 * by_hour["mae_last"][5]
        assert by_hour["mae_minus_last_ci"][5][1] < 0
        low, high = by_hour["less_than_last_ci"][5]
        share = 1 - by_hour["mae"][5] / by_hour["mae_last"][5]
        assert 0 < low < share < high
        # Nothing beats the law, which is an autoregression; few patients teach it roughly.
        assert np.array(by_hour["mae"]) == pytest.approx(by_hour["mae_ar1"], rel=0.1)
        assert np.array(by_hour["coverage"]) == pytest.approx(0.8, abs=0.08)
        assert by_hour["width"][0] < by_hour["width"][5]
    law = baselines.ar1[0, :, 1]
    assert law == pytest.approx([MEMORY**hour for hour in HOURS], abs=0.1)
    assert figures["spo2"]["n"] == [0] * 6
    assert figures["spo2"]["mae"] == [None] * 6
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_figures_are_means_over_the_hours_that_came_true(
    material: Material, trained: Model
) -> None:
    cohort, stays = material.cohort, material.split.test[:7]
    baselines = fit_baselines(material)
    dataset = material.dataset(stays)
    figures = forecast_figures(trained, baselines, dataset)
    out = outputs(trained.network, trained.scaling, dataset)
    rows = material.rows_of(stays)
    low, median, high = np.moveaxis(trained.forecast(material.built[rows], out[rows]), -1, 0)
    target = Future(cohort).after(rows)
    error = np.nanmean(np.abs(median - target)[:, 0], axis=0)
    assert figures["heart_rate"]["mae"] == pytest.approx(error.tolist(), abs=1e-3)
    both = ~np.isnan(target[:, 0, 2])
    held = ((low <= target) & (target <= high))[both, 0, 2].mean()
    assert figures["heart_rate"]["coverage"][2] == pytest.approx(held, abs=1e-4)
    assert "mae_minus_last_ci" not in figures["heart_rate"]
