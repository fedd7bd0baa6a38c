"""The forecast's part of training: what it learns, what it must not see, what is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from structlog.testing import capture_logs

from streamer.bundles.build import build
from streamer.core.columns import decode
from streamer.core.forecast import FORECAST_VITALS, HOURS
from streamer.core.model import Model
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import Cohort
from streamer.service.stay_cache import StayCache
from tests.support.event_stream import admission, observation, record
from tests.support.small_models import forecasting_model, random_bundle, random_model
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.synthetic_stays import Row, stay, write_parquet
from trainer.data.cohort import load_cohort
from trainer.data.dataset import build_features, fit_scaling
from trainer.data.material import Material
from trainer.data.split import split_patients
from trainer.errors import NothingToEvaluate
from trainer.evaluate import evaluate
from trainer.fit import fit
from trainer.forecast.baselines import Baselines, fit_baselines
from trainer.forecast.figures import forecast_figures
from trainer.forecast.hours import Future, outputs
from trainer.forecast.table import forecast_rows
from trainer.forecast.training import pinball, train_head
from trainer.progress import Reporter
from trainer.training.recipe import Recipe

QUIET = Reporter(Console(quiet=True))
RECIPE = Recipe(forecast_epochs=12, forecast_units=16, batch_hours=128, learning_rate=1e-2)
MEMORY = 0.7
"""Share of a deviation from the mean of all that an invented vital sign keeps in an hour."""


def wandering_stays(n_stays: int, seed: int = 0) -> dict[str, list[Row]]:
    """Stays whose pulse, pressure and temperature go back to a mean by a known law; no SpO2."""
    draws = np.random.default_rng(seed)
    stays = {}
    for i in range(n_stays):
        hours = int(draws.integers(20, 40))
        off = draws.normal(0, 1, 3) * (1 - MEMORY**2) ** -0.5
        values: dict[int, Row] = {}
        for hour in range(hours):
            off = MEMORY * off + draws.normal(0, 1, 3)
            values[hour] = {"HR": 85 + 8 * off[0], "MAP": 75 + 6 * off[1]}
            if draws.random() < 0.5:
                values[hour]["Temp"] = 37 + 0.3 * off[2]
        stays[f"p{i:06}"] = stay(hours, values=values)
    return stays


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    torch.set_num_threads(1)
    file = tmp_path_factory.mktemp("wandering") / "stays.parquet"
    cohort = load_cohort([write_parquet(file, wandering_stays(200))])
    split = split_patients(cohort.patient_ids, "vigil", (0.7, 0.15, 0.15))
    built = build_features(cohort)
    in_training = np.isin(cohort.patient_of_row, split.train)
    return Material(cohort, built, fit_scaling(built, in_training), split)


@pytest.fixture(scope="module")
def trained(material: Material) -> Any:
    model = random_model(seed=1)
    model.scaling = material.scaling
    model.forecaster = train_head(model.network, material, RECIPE)
    return model


def test_the_future_is_that_of_the_same_stay_and_measured(material: Material) -> None:
    cohort = material.cohort
    rows = np.arange(cohort.n_rows)
    after = Future(cohort).after(rows)
    for row in (0, 5, int(cohort.starts[1]) - 3, int(cohort.starts[1]) - 1):
        for place, hour in enumerate(HOURS):
            inside = row + hour < cohort.starts[1]
            pulse = cohort.values[row + hour, 0] if inside else np.nan
            np.testing.assert_equal(after[row, 0, place], pulse)
    assert np.isnan(after[:, FORECAST_VITALS.index("spo2")]).all()


def test_it_learns_the_law_and_beats_the_last_value(material: Material, trained: Any) -> None:
    baselines, test = fit_baselines(material), material.split.test
    figures = forecast_figures(
        trained, baselines, material.cohort, material.built, test, n_bootstrap=50
    )
    for name in ("heart_rate", "map"):
        of = figures[name]
        assert of["mae"][5] < 0.9 * of["mae_last"][5]
        assert of["mae_minus_last_ci"][5][1] < 0
        # Nothing beats the law, which is an autoregression; few patients teach it roughly.
        assert np.array(of["mae"]) == pytest.approx(of["mae_ar1"], rel=0.1)
        assert np.array(of["coverage"]) == pytest.approx(0.8, abs=0.08)
        assert of["width"][0] < of["width"][5]
    law = baselines.ar1[0, :, 1]
    assert law == pytest.approx([MEMORY**hour for hour in HOURS], abs=0.1)
    assert figures["spo2"]["n"] == [0] * 6
    assert figures["spo2"]["mae"] == [None] * 6
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_figures_are_means_over_the_hours_that_came_true(material: Material, trained: Any) -> None:
    cohort, stays = material.cohort, material.split.test[:7]
    baselines = fit_baselines(material)
    figures = forecast_figures(trained, baselines, cohort, material.built, stays)
    out = outputs(trained.network, trained.scaling, cohort, material.built, stays)
    rows = material.rows_of(stays)
    low, median, high = np.moveaxis(trained.forecast(material.built[rows], out[rows]), -1, 0)
    target = Future(cohort).after(rows)
    error = np.nanmean(np.abs(median - target)[:, 0], axis=0)
    assert figures["heart_rate"]["mae"] == pytest.approx(error.tolist(), abs=1e-3)
    both = ~np.isnan(target[:, 0, 2])
    held = ((low <= target) & (target <= high))[both, 0, 2].mean()
    assert figures["heart_rate"]["coverage"][2] == pytest.approx(held, abs=1e-4)
    assert "mae_minus_last_ci" not in figures["heart_rate"]


def test_the_network_stays_as_it_is_and_a_seed_says_it_all(material: Material) -> None:
    model, recipe = random_model(seed=1), replace(RECIPE, forecast_epochs=1)
    before = {name: value.copy() for name, value in model.network.weights.items()}
    state = torch.get_rng_state()
    one, again = (train_head(model.network, material, recipe) for _ in range(2))
    other = train_head(model.network, material, replace(recipe, seed=1))
    for name, value in model.network.weights.items():
        assert value.tobytes() == before[name].tobytes(), name
    assert torch.equal(torch.get_rng_state(), state)
    last = "second.weight"
    assert one.weights[last].tobytes() == again.weights[last].tobytes()
    assert one.weights[last].tobytes() != other.weights[last].tobytes()


def test_test_patients_teach_nothing(material: Material) -> None:
    built, recipe = material.built.copy(), replace(RECIPE, forecast_epochs=1)
    built[material.rows_of(material.split.test)] = np.nan
    values = material.cohort.values.copy()
    values[material.rows_of(material.split.test)] = np.nan
    blind = replace(material, built=built, cohort=replace(material.cohort, values=values))
    network = random_model(seed=1).network
    heads = [train_head(network, each, recipe).weights for each in (material, blind)]
    for name, value in heads[0].items():
        np.testing.assert_array_equal(value, heads[1][name])
    np.testing.assert_array_equal(fit_baselines(material).ar1, fit_baselines(blind).ar1)


def test_later_rows_do_not_change_a_forecast(material: Material, trained: Any) -> None:
    cohort, at = material.cohort, int(material.cohort.starts[0]) + 9
    values = cohort.values.copy()
    values[at + 1 : cohort.starts[1], 0] = 200
    changed = build_features(replace(cohort, values=values))
    first = np.array([0])
    found = []
    for built in (material.built, changed):
        out = outputs(trained.network, trained.scaling, cohort, built, first)
        found.append(trained.forecast(built[: at + 2], out[: at + 2]))
    assert found[0][: at + 1].tobytes() == found[1][: at + 1].tobytes()
    assert found[0][at + 1].tobytes() != found[1][at + 1].tobytes()


def test_the_pinball_loss_is_least_at_the_quantiles() -> None:
    target = torch.linspace(0, 1, 1001).reshape(-1, 1, 1)
    best = pinball(torch.tensor([0.1, 0.5, 0.9]).expand(1001, 1, 1, 3), target)
    for wrong in ([0.2, 0.5, 0.9], [0.1, 0.6, 0.9], [0.1, 0.5, 0.7]):
        assert pinball(torch.tensor(wrong).expand(1001, 1, 1, 3), target) > best
    unknown = torch.full((1001, 1, 1), torch.nan)
    assert pinball(torch.zeros(1001, 1, 1, 3), unknown) == 0


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
def test_the_stream_foretells_what_the_trainer_does(material: Material, layers: int) -> None:
    model, cohort = forecasting_model(seed=2, layers=layers), material.cohort
    stays = np.arange(5)
    out = outputs(model.network, model.scaling, cohort, material.built, stays)
    rows = material.rows_of(stays)
    offline = model.forecast(material.built[rows], out[rows])
    streamed = np.concatenate([_streamed(model, cohort, i) for i in stays.tolist()])
    assert model.forecaster is not None
    scale = model.forecaster.scale[:, None, None]
    np.testing.assert_allclose(streamed / scale, offline / scale, rtol=0, atol=1e-5)


def test_a_fit_gives_a_head_and_says_how_good_it_is(tmp_path: Path) -> None:
    data = learnable_file(tmp_path)
    quick = replace(QUICK, teacher_share=0.0, reading_epochs=1, epochs=1)
    found = fit([data], tmp_path / "with", quick, reporter=QUIET, n_bootstrap=5)
    bundle, figures = found.bundle, found.bundle.manifest["metrics"]["forecast"]
    for row in forecast_rows(figures["test"]):
        assert "| " + " | ".join(row) + " |" in bundle.card
    assert np.array(figures["test"]["heart_rate"]["mae_minus_last_ci"]).shape == (6, 2)
    again = evaluate(bundle, [data], reporter=QUIET, patients="test", forecast=True)
    for name in ("mae", "mae_ar1_mean", "coverage"):
        ours, theirs = (
            of["heart_rate"][name] for of in (again.figures["forecast"], figures["test"])
        )
        assert ours == pytest.approx(theirs, abs=1e-3)  # coefficients are kept to six digits

    without = fit(
        [data], tmp_path / "without", replace(quick, forecast_epochs=0), reporter=QUIET,
        n_bootstrap=0,
    ).bundle  # fmt: skip
    assert (bundle.has_forecast, without.has_forecast) == (True, False)
    assert "Forecast of vital signs" in bundle.card
    assert "Forecast of vital signs" not in without.card
    with pytest.raises(NothingToEvaluate, match="no forecast head"):
        evaluate(without, [data], reporter=QUIET, forecast=True)
    models = build(bundle), build(without)
    for name, value in models[0].network.weights.items():
        assert value.tobytes() == models[1].network.weights[name].tobytes(), name
    assert models[0].threshold == models[1].threshold
    assert models[0].policy == models[1].policy


def test_coefficients_are_kept() -> None:
    draws = np.random.default_rng(0)
    given = Baselines(*draws.normal(size=(2, 5, 6, 3)))
    kept = Baselines.from_json(json.loads(json.dumps(given.to_json())))
    np.testing.assert_allclose(kept.ar1, given.ar1, rtol=1e-5)
    np.testing.assert_allclose(kept.ar1_mean, given.ar1_mean, rtol=1e-5)


def test_a_model_without_a_head_that_takes_over_is_told_once() -> None:
    held = StayCache(interval_ms=0, max_stays=0, forecast=True)
    bare = build(random_bundle())
    with capture_logs() as found:
        held.scorer(forecasting_model())
        for _ in range(2):
            held.scorer(bare)
    assert [log["log_level"] for log in found] == ["warning"]
    assert "no forecast" in found[0]["event"]
