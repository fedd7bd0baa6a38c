from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.core.columns import decode
from streamer.core.forecast import FORECAST_VITALS, HOURS
from streamer.core.model import Model
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import Cohort
from tests.support.event_stream import admission, observation, record
from tests.support.small_models import forecasting_model
from trainer.data.dataset import Dataset, Material, build_features
from trainer.forecast.hours import Future, last_known, outputs, running_mean


def test_the_future_is_that_of_the_same_stay_and_measured(material: Material) -> None:
    cohort = material.cohort
    rows = np.arange(cohort.n_rows)
    after = Future(cohort).after(rows)
    for row in (0, 5, int(cohort.starts[1]) - 3, int(cohort.starts[1]) - 1):
        for i, hour in enumerate(HOURS):
            inside = row + hour < cohort.starts[1]
            pulse = cohort.values[row + hour, 0] if inside else np.nan
            np.testing.assert_equal(after[row, 0, i], pulse)
    assert np.isnan(after[:, FORECAST_VITALS.index("spo2")]).all()


def test_later_rows_do_not_change_a_forecast(material: Material, trained: Model) -> None:
    cohort, at = material.cohort, int(material.cohort.starts[0]) + 9
    values = cohort.values.copy()
    values[at + 1 : cohort.starts[1], 0] = 200
    changed = build_features(replace(cohort, values=values))
    first = np.array([0])
    forecasts = []
    for built in (material.built, changed):
        out = outputs(trained.network, trained.scaling, Dataset(cohort, built, first))
        forecasts.append(trained.forecast(built[: at + 2], out[: at + 2]))
    assert forecasts[0][: at + 1].tobytes() == forecasts[1][: at + 1].tobytes()
    assert forecasts[0][at + 1].tobytes() != forecasts[1][at + 1].tobytes()


def _streamed(model: Model, cohort: Cohort, i: int) -> NDArray[np.float32]:
    """The forecasts of a stay's hours, its rows given to a scorer event by event."""
    events = [admission(age=64.5, sex="male", hours_since_hospital_admission=3.25)]
    for row in range(cohort.starts[i], cohort.starts[i + 1]):
        known = np.flatnonzero(~np.isnan(cohort.values[row])).tolist()
        values = {VARIABLES[v].name: float(cohort.values[row, v]) for v in known}
        events.append(observation(int(cohort.iculos[row]) - 1, **values))
    scorer = Scorer(model, StayTable(model.architecture), 0, forecast=True)
    columns = decode([record(event) for event in events], None)
    waves = scorer.score(columns, [0] * len(events)).assessments
    return np.concatenate([wave.forecast for wave in waves if wave.forecast is not None])


@pytest.mark.parametrize("layers", [1, 2])
def test_streamed_forecasts_equal_offline_ones(material: Material, layers: int) -> None:
    model, cohort = forecasting_model(seed=2, layers=layers), material.cohort
    stays = np.arange(5)
    out = outputs(model.network, model.scaling, material.dataset(stays))
    rows = material.rows_of(stays)
    offline = model.forecast(material.built[rows], out[rows])
    streamed = np.concatenate([_streamed(model, cohort, i) for i in stays.tolist()])
    assert model.forecaster is not None
    scale = model.forecaster.scale[:, None, None]
    np.testing.assert_allclose(streamed / scale, offline / scale, rtol=0, atol=1e-5)


def test_last_values_and_slow_means_are_read_off_the_features(material: Material) -> None:
    pulse = material.cohort.values[:, 0]
    known = ~np.isnan(pulse)
    last, mean = last_known(material.built)[:, 0], running_mean(material.built)[:, 0]
    np.testing.assert_array_equal(last[known], pulse[known])
    first = material.cohort.starts[:-1]
    np.testing.assert_allclose(mean[first], pulse[first], rtol=1e-6)  # nothing else is known yet
    # The mean of a wandering pulse wanders less.
    assert np.nanstd(mean) < np.nanstd(last)
