from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from trainer.training.optimizer import optimizer_step, rate_at
from trainer.training.recipe import Recipe


def test_the_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    rates = [rate_at(step, 10, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1, rel=1e-5)
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 1e-5


def test_few_steps_in_all_shorten_the_warm_up() -> None:
    assert rate_at(1, 100, 10) == pytest.approx(1, abs=0.03)


def test_a_step_moves_the_weights_by_the_rate_and_the_average_after_them() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 2.0)
    average = {"weight": network.weight.detach().clone()}
    optimizer = torch.optim.SGD(network.parameters(), lr=99.0)
    recipe = replace(Recipe(), clip_norm=1.0, average=0.9)
    # The gradient is 3 and is clipped to 1.
    loss = 3 * network(torch.ones(1, 1)).sum()
    optimizer_step(network, optimizer, average, loss, 0.5, 0, recipe)
    assert network.weight.item() == pytest.approx(1.5)
    # The first average keeps 1/11 of the weights before the step.
    assert average["weight"].item() == pytest.approx(2 / 11 + 1.5 * 10 / 11)
    before = average["weight"].item()
    loss = 3 * network(torch.ones(1, 1)).sum()
    optimizer_step(network, optimizer, average, loss, 0.5, 10_000, recipe)
    assert network.weight.item() == pytest.approx(1.0)
    assert average["weight"].item() == pytest.approx(0.9 * before + 0.1 * 1.0)
