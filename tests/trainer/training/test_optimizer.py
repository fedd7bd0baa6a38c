from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.support.paths import ROOT
from trainer.training.optimizer import AdamW, optimizer_step, rate_at
from trainer.training.recipe import Recipe


class GradientDescent:
    """An optimizer of one parameter without a memory."""

    def __init__(self, parameter: Tensor) -> None:
        self._parameter = parameter

    def zero_grad(self) -> None:
        self._parameter.grad = None

    def step(self, rate: float) -> None:
        assert self._parameter.grad is not None
        with torch.no_grad():
            self._parameter -= rate * self._parameter.grad


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
    optimizer = GradientDescent(network.weight)
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


def train(network: nn.Sequential, optimizer: AdamW | torch.optim.Optimizer, steps: range) -> None:
    """Steps of changing rates; in the third the last layer has no gradient."""
    for step in steps:
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        output = network[0](x) if step == 2 else network(x)
        output.square().mean().backward()
        if isinstance(optimizer, AdamW):
            optimizer.step(0.1 / (step + 1))
        else:
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.step()


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_it_steps_as_pytorch_does_bit_for_bit_and_goes_on_from_its_checkpoints(
    decay: float,
) -> None:
    torch.manual_seed(1)
    theirs = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    theirs[0].bias.requires_grad_(False)
    ours = copy.deepcopy(theirs)
    by_pytorch = torch.optim.AdamW(theirs.parameters(), weight_decay=decay)
    own = AdamW(ours.parameters(), decay)
    train(theirs, by_pytorch, range(5))
    train(ours, own, range(5))
    assert_same_bits(ours, theirs)
    again, from_theirs = AdamW(ours.parameters(), decay), copy.deepcopy(theirs)
    again.load_state_dict(copy.deepcopy(own.state_dict()))
    continued = AdamW(from_theirs.parameters(), decay)
    continued.load_state_dict(copy.deepcopy(by_pytorch.state_dict()))
    train(theirs, by_pytorch, range(5, 8))
    train(ours, again, range(5, 8))
    train(from_theirs, continued, range(5, 8))
    assert_same_bits(ours, theirs)
    assert_same_bits(from_theirs, theirs)


def assert_same_bits(one: nn.Module, other: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert value.numpy().tobytes() == other.state_dict()[name].numpy().tobytes(), name


def test_no_class_of_pytorch_optimizes_which_would_load_its_compiler() -> None:
    for file in (ROOT / "trainer").rglob("*.py"):
        assert not re.search(r"^\s*[^#`]*torch\.optim\.[A-Z]", file.read_text(), re.MULTILINE), file
