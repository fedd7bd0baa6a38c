from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from streamer.core.model import Model
from tests.support.small_models import random_model
from tests.support.wandering_stays import FORECAST_RECIPE
from trainer.data.dataset import Material
from trainer.forecast.baselines import fit_baselines
from trainer.forecast.training import pinball, train_head


def test_the_network_is_not_changed_and_equal_seeds_give_equal_heads(material: Material) -> None:
    model, recipe = random_model(seed=1), replace(FORECAST_RECIPE, forecast_epochs=1)
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
    built, recipe = material.built.copy(), replace(FORECAST_RECIPE, forecast_epochs=1)
    built[material.rows_of(material.split.test)] = np.nan
    values = material.cohort.values.copy()
    values[material.rows_of(material.split.test)] = np.nan
    blind = replace(material, built=built, cohort=replace(material.cohort, values=values))
    network = random_model(seed=1).network
    heads = [train_head(network, seen, recipe).weights for seen in (material, blind)]
    for name, value in heads[0].items():
        np.testing.assert_array_equal(value, heads[1][name], err_msg=name)
    np.testing.assert_array_equal(fit_baselines(material).ar1, fit_baselines(blind).ar1)


def test_the_pinball_loss_is_least_at_the_quantiles() -> None:
    target = torch.linspace(0, 1, 1001).reshape(-1, 1, 1)
    best = pinball(torch.tensor([0.1, 0.5, 0.9]).expand(1001, 1, 1, 3), target)
    for wrong in ([0.2, 0.5, 0.9], [0.1, 0.6, 0.9], [0.1, 0.5, 0.7]):
        assert pinball(torch.tensor(wrong).expand(1001, 1, 1, 3), target) > best
    unknown = torch.full((1001, 1, 1), torch.nan)
    assert pinball(torch.zeros(1001, 1, 1, 3), unknown) == 0


def test_a_head_that_goes_on_learns_a_moved_network_and_keeps_its_start_where_that_is_better(
    trained: Model, material: Material
) -> None:
    start = trained.forecaster
    assert start is not None
    moved = random_model(seed=2).network
    gentle = replace(FORECAST_RECIPE, forecast_epochs=1, learning_rate=1e-3)
    went_on = train_head(moved, material, gentle, start=start)
    assert not np.array_equal(went_on.weights["first.weight"], start.weights["first.weight"])
    np.testing.assert_array_equal(went_on.weights["scale"], start.weights["scale"])
    wild = replace(gentle, learning_rate=10.0)
    kept = train_head(trained.network, material, wild, start=start)
    for name in ("first.weight", "second.weight", "second.bias"):
        assert np.array_equal(kept.weights[name], start.weights[name]), name
    np.testing.assert_allclose(kept.weights["stretch"], start.weights["stretch"], rtol=1e-5)
