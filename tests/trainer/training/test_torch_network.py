"""The network that is trained and the one that scores are the same network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import features
from streamer.core.forecast import FORECAST_VITALS, HOURS, HeadSize
from streamer.core.lstm_network import HORIZONS, Architecture, Network
from streamer.core.matrix_blocks import Floats
from tests.support.small_models import random_weights
from trainer.forecast.head import TorchForecastHead
from trainer.training.torch_network import TorchNetwork, arrays

LAYERS = pytest.mark.parametrize("layers", [1, 2])
# Whole sequences and single steps may add up a matrix product in another order, and so do the two
# networks: a few units in the last place of float32, for values of order one.
TOLERANCE = 1e-6


def small(layers: int) -> TorchNetwork:
    torch.manual_seed(layers)
    net = TorchNetwork(Architecture(11, 8, layers, dropout=0.5, encoder=7, binned=4, bins=3)).eval()
    net.edges.copy_(torch.tensor([-1.5, -0.5, 0.5, 1.5]))
    return net


def stays(n_features: int, steps: int = 40, batch: int = 19) -> Floats:
    """Hours as scaling leaves them: most within two standard deviations, some cut at six."""
    draws = np.random.default_rng(3)
    return np.clip(draws.standard_t(4, (steps, batch, n_features)), -6, 6).astype(np.float32)


Series = NDArray[np.floating[Any]]


def by_numpy(network: Network, x: Floats) -> Series:
    """Logits, h and c side by side after each step, ``(T, B, ...)``."""
    size, batch = network.architecture, x.shape[1]
    h = c = np.zeros((batch, size.layers, size.hidden), np.float32)
    steps = []
    for row in x:
        logits, h, c = network.step(row, h, c)
        steps.append(np.concatenate([logits, h.reshape(batch, -1), c.reshape(batch, -1)], axis=1))
    return np.stack(steps)


def by_torch(network: Network, x: Floats, dtype: torch.dtype = torch.float32) -> Series:
    """The same of the module, in single or double precision."""
    module = TorchNetwork.of(network).to(dtype)
    size, batch = network.architecture, x.shape[1]
    h = c = torch.zeros(size.layers, batch, size.hidden, dtype=dtype)
    steps = []
    with torch.inference_mode():
        for row in x:
            logits, h, c = module(torch.from_numpy(row)[None].to(dtype), h, c)
            state = [part.transpose(0, 1).reshape(batch, -1) for part in (h, c)]
            steps.append(torch.cat([logits[0], *state], dim=1))
    return torch.stack(steps).numpy()


@pytest.mark.parametrize(
    "size",
    [
        Architecture(205, 64, 1, encoder=128, binned=60, bins=6),
        Architecture(205, 64, 2, encoder=128, binned=60, bins=6),
        Architecture(205, 32, 1, encoder=64, binned=0),
        Architecture(205, 96, 2, encoder=48, binned=7, bins=3),
        Architecture(3, 1, 1, encoder=1, binned=1, bins=1),
    ],
    ids=str,
)
def test_both_say_the_same_over_whole_stays(size: Architecture) -> None:
    torch.manual_seed(0)
    module = TorchNetwork(size)
    draws = np.random.default_rng(0)
    edges = np.cumsum(draws.uniform(0.1, 1, (size.binned, size.bins + 1)), axis=1) - 2
    module.edges.copy_(torch.from_numpy(edges))
    network, x = module.in_numpy(), stays(size.n_features)
    assert np.abs(by_numpy(network, x) - by_torch(network, x)).max() <= TOLERANCE


def test_with_shipped_weights_both_are_as_near_to_the_exact_numbers() -> None:
    """Cells of trained weights hold values up to twenty, and gates magnify what is rounded.

    So PyTorch itself is 1e-6 and more from what it says in double precision; the network that
    scores must not be further from it, and no risk may differ by more than 1e-6.
    """
    model = build(bundle.load(bundle.SHIPPED))
    x = stays(features.N_FEATURES)
    x /= 2
    ours, theirs = by_numpy(model.network, x), by_torch(model.network, x)
    exact = by_torch(model.network, x, torch.float64)
    for part in (slice(3), slice(3, 67), slice(67, None)):  # logits, h, c
        off = [np.abs(outputs[..., part] - exact[..., part]) for outputs in (ours, theirs)]
        assert np.sqrt((off[0] ** 2).mean()) <= 1.5 * np.sqrt((off[1] ** 2).mean())
        assert off[0].max() <= 2 * off[1].max()
    risks = [model.risks(outputs[..., :3].astype(np.float64)) for outputs in (ours, theirs)]
    assert np.abs(risks[0] - risks[1]).max() <= TOLERANCE


def test_both_heads_foretell_the_same() -> None:
    torch.manual_seed(0)
    head = TorchForecastHead(HeadSize(12, 8, units=16))
    torch.nn.init.normal_(head.second.weight)
    head.stretch.uniform_(0.9, 1.1)
    draws = np.random.default_rng(0)
    x, out = (draws.normal(size=(50, n)).astype(np.float32) for n in (12, 8))
    with torch.inference_mode():
        expected = head(torch.from_numpy(x), torch.from_numpy(out)).numpy()
    made = head.in_numpy().quantiles(x, out)
    assert made.shape == (50, len(FORECAST_VITALS), len(HOURS), 3)
    np.testing.assert_allclose(made, expected, rtol=0, atol=5e-6)  # of values up to 10


@LAYERS
def test_there_and_back_the_weights_are_the_same(layers: int) -> None:
    module = small(layers)
    again = TorchNetwork.of(module.in_numpy())
    for name, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert list(arrays(module)) == list(module.state_dict())
    assert arrays(module).keys() == module.architecture.shapes().keys()


def test_arrays_are_copies() -> None:
    module = small(1)
    kept = module.in_numpy()
    before = kept.weights["bias"].copy()
    with torch.no_grad():
        module.bias.add_(1)
    assert (kept.weights["bias"] == before).all()


def inputs(layers: int, steps: int = 30, batch: int = 5) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(steps, batch, 11), torch.zeros(layers, batch, 8)


@LAYERS
def test_stepping_equals_the_whole_sequence(layers: int) -> None:
    net = small(layers)
    x, empty = inputs(layers)
    with torch.inference_mode():
        whole, h_end, c_end = net(x, empty, empty)
        h, c = empty, empty
        steps = []
        for row in x:
            logits, h, c = net(row[None], h, c)
            steps.append(logits[0])
    assert whole.shape == (30, 5, len(HORIZONS))
    assert (torch.stack(steps) - whole).abs().max() <= TOLERANCE
    assert (h - h_end).abs().max() <= TOLERANCE
    assert (c - c_end).abs().max() <= TOLERANCE


@LAYERS
@pytest.mark.parametrize("at", [1, 15, 29])
def test_nothing_looks_ahead(layers: int, at: int) -> None:
    net = small(layers)
    x, empty = inputs(layers)
    other = x.clone()
    other[at:] += 1
    with torch.inference_mode():
        one, two = net(x, empty, empty)[0], net(other, empty, empty)[0]
    assert torch.equal(one[:at], two[:at])
    assert not torch.equal(one[at], two[at])


@LAYERS
def test_forget_gates_start_open_and_biases_are_not_doubled(layers: int) -> None:
    for name, bias in small(layers).lstm.named_parameters():
        if name.startswith("bias"):
            expected = torch.zeros(32)
            expected[8:16] = 1.0 if name.startswith("bias_ih") else 0.0
            assert torch.equal(bias.detach(), expected), name


@pytest.mark.parametrize(("layers", "hidden"), [(1, 8), (2, 8), (1, 16)])
def test_weights_drawn_without_torch_are_those_drawn_with_it(layers: int, hidden: int) -> None:
    size = Architecture(features.N_FEATURES, hidden, layers)
    torch.manual_seed(5)
    expected, drawn = arrays(TorchNetwork(size)), random_weights(size, 5)
    assert drawn.keys() == expected.keys() == size.shapes().keys()
    for name, weights in drawn.items():
        if name in {"glance_head", "memory_head"}:  # normal, by another cosine
            np.testing.assert_allclose(weights, expected[name], rtol=0, atol=5e-7, err_msg=name)
        else:
            assert weights.tobytes() == expected[name].tobytes(), name


def test_dropout_between_layers_only_where_there_are_two() -> None:
    assert small(1).lstm.dropout == 0.0
    assert small(2).lstm.dropout == 0.5
    assert small(1).dropout.p == 0.5


@LAYERS
def test_a_logit_is_what_the_hour_says_and_what_the_memory_adds(layers: int) -> None:
    net = small(layers)
    x, empty = inputs(layers)
    with torch.inference_mode():
        before = net(x, empty, empty)[0]
        net.memory_head.zero_()
        alone = net(x, empty, empty)[0]
        assert torch.equal(alone, net.glance(net.encode(x)))
    assert not torch.equal(before, alone)
