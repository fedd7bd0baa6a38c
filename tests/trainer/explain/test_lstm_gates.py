from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainer.explain.lstm_gates import gate_activity


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_gates_lead_to_what_the_lstm_gives(layers: int, bias: bool) -> None:
    torch.manual_seed(layers)
    lstm = nn.LSTM(5, 7, layers, bias=bias)
    x, h, c = torch.randn(9, 3, 5), torch.randn(layers, 3, 7), torch.randn(layers, 3, 7)
    gates = gate_activity(lstm, x, h, c)
    out, (last_h, last_c) = lstm(x, (h, c))
    assert gates.f.shape == (layers, 9, 3, 7)
    for ours, theirs in ((gates.h[-1], out), (gates.h[:, -1], last_h), (gates.c[:, -1], last_c)):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=0, atol=1e-6)
    before = np.concatenate([c.numpy()[:, None], gates.c[:, :-1]], axis=1)
    np.testing.assert_allclose(gates.c, gates.f * before + gates.i * gates.g, rtol=0, atol=1e-6)
    np.testing.assert_allclose(gates.h, gates.o * np.tanh(gates.c), rtol=0, atol=1e-6)


def test_a_forget_gate_of_one_half_forgets_half_in_a_step() -> None:
    lstm = nn.LSTM(1, 2)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.all_weights[0][2][3] = 50.0  # the forget gate of the second unit never lets go
    zero = torch.zeros(1, 1, 2)
    lives = gate_activity(lstm, torch.zeros(4, 1, 1), zero, zero).half_lives()
    np.testing.assert_allclose(lives[0, 0], [1.0, 1e6], rtol=1e-5)


@pytest.mark.parametrize("kind", [{"bidirectional": True}, {"proj_size": 2}])
def test_other_kinds_of_lstm_are_refused(kind: dict[str, Any]) -> None:
    zero = torch.zeros(1, 1, 4)
    with pytest.raises(ValueError, match="one direction"):
        gate_activity(nn.LSTM(3, 4, **kind), torch.zeros(2, 1, 3), zero, zero)
