from __future__ import annotations

import pytest
import torch

from streamer.core.network import HORIZONS, Architecture, Network

LAYERS = pytest.mark.parametrize("layers", [1, 2])
# Whole sequences and single steps may add up a matrix product in another order: a few units in the
# last place of float32, for logits of order one.
SEQUENCE_TOLERANCE = 1e-6


def network(layers: int) -> Network:
    torch.manual_seed(layers)
    net = Network(Architecture(11, 8, layers, dropout=0.5, encoder=7, binned=4, bins=3)).eval()
    net.edges.copy_(torch.tensor([-1.5, -0.5, 0.5, 1.5]))
    return net


def inputs(layers: int, steps: int = 30, batch: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(steps, batch, 11), torch.zeros(layers, batch, 8)


@LAYERS
def test_stepping_equals_the_whole_sequence(layers: int) -> None:
    net = network(layers)
    x, empty = inputs(layers)
    with torch.inference_mode():
        whole, h_end, c_end = net(x, empty, empty)
        h, c = empty, empty
        steps = []
        for row in x:
            logits, h, c = net(row[None], h, c)
            steps.append(logits[0])
    assert whole.shape == (30, 5, len(HORIZONS))
    assert (torch.stack(steps) - whole).abs().max() <= SEQUENCE_TOLERANCE
    assert (h - h_end).abs().max() <= SEQUENCE_TOLERANCE
    assert (c - c_end).abs().max() <= SEQUENCE_TOLERANCE


@LAYERS
@pytest.mark.parametrize("at", [1, 15, 29])
def test_nothing_looks_ahead(layers: int, at: int) -> None:
    net = network(layers)
    x, empty = inputs(layers)
    other = x.clone()
    other[at:] += 1
    with torch.inference_mode():
        one, two = net(x, empty, empty)[0], net(other, empty, empty)[0]
    assert torch.equal(one[:at], two[:at])
    assert not torch.equal(one[at], two[at])


@LAYERS
def test_nothing_is_kept_in_the_module(layers: int) -> None:
    net = network(layers)
    x, empty = inputs(layers)
    with torch.inference_mode():
        first = net(x, empty, empty)[0]
        net(x + 3, empty + 1, empty - 1)
        assert torch.equal(net(x, empty, empty)[0], first)
    assert not empty.any()


@LAYERS
def test_a_row_is_the_same_bits_in_any_batch(layers: int) -> None:
    net = network(layers)
    torch.manual_seed(1)
    x = torch.randn(1, 100, 11)
    h, c = torch.randn(2, layers, 100, 8)
    with torch.inference_mode():
        together = net(x, h, c)
        for n in (1, 2, 7, 8, 9, 33, 99):
            alone = net(x[:, :n], h[:, :n].contiguous(), c[:, :n].contiguous())
            for one, all_ in zip(alone, together, strict=True):
                assert torch.equal(one, all_[:, :n]), n


@LAYERS
def test_forget_gates_start_open_and_biases_are_not_doubled(layers: int) -> None:
    for name, bias in network(layers).lstm.named_parameters():
        if name.startswith("bias"):
            expected = torch.zeros(32)
            expected[8:16] = 1.0 if name.startswith("bias_ih") else 0.0
            assert torch.equal(bias.detach(), expected), name


def test_dropout_between_layers_only_where_there_are_two() -> None:
    assert network(1).lstm.dropout == 0.0
    assert network(2).lstm.dropout == 0.5
    assert network(1).dropout.p == 0.5


def test_a_piece_fills_as_the_value_passes_through_it() -> None:
    net = Network(Architecture(2, 1, encoder=2, binned=1, bins=2)).eval()
    net.binned.copy_(torch.tensor([1]))
    net.edges.copy_(torch.tensor([[0.0, 1.0, 3.0]]))
    with torch.no_grad():
        net.first.weight.zero_()
        net.first.weight[0, 2] = net.first.weight[1, 3] = 1.0  # after the two features, the pieces
        net.first.bias.zero_()
        net.second.weight.copy_(torch.eye(2))
        net.second.bias.zero_()
    values = torch.tensor([-2.0, 0.0, 0.25, 1.0, 2.0, 3.0, 9.0])
    x = torch.stack([torch.zeros(7), values], dim=1)
    first, second = net.encode(x).T.tolist()
    assert first == [0, 0, 0.25, 1, 1, 1, 1]
    assert second == [0, 0, 0, 0, 0.5, 1, 1]


@LAYERS
def test_a_logit_is_what_the_hour_says_and_what_the_memory_adds(layers: int) -> None:
    net = network(layers)
    x, empty = inputs(layers)
    with torch.inference_mode():
        before = net(x, empty, empty)[0]
        net.memory_head.zero_()
        alone = net(x, empty, empty)[0]
        assert torch.equal(alone, net.glance(net.encode(x)))
    assert not torch.equal(before, alone)
