from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trainer.compare.models.cells import GRUD, Recurrent, lstm


@pytest.mark.parametrize(
    "layer",
    [nn.RNN(16, 5), nn.GRU(16, 5), lstm(16, 5), GRUD(4, 4, 5)],
    ids=lambda layer: type(layer).__name__,
)
def test_a_stay_at_once_equals_the_chain_of_its_hours(layer: nn.Module) -> None:
    torch.manual_seed(3)
    network = Recurrent(layer, 5, dropout=0.5).eval()
    x = torch.randn(30, 2, 16).abs()
    with torch.inference_mode():
        whole, last = network(x)
        state = None
        for hour, expected in zip(x, whole, strict=True):
            logits, state = network(hour[None], state)
            # Another number of rows adds up in another order: float32 keeps some 1e-7 of 1.
            torch.testing.assert_close(logits[0], expected, atol=1e-5, rtol=0)
    assert state is not None
    torch.testing.assert_close(state, last, atol=1e-5, rtol=0)


def test_the_lstm_remembers_at_first() -> None:
    parameters = dict(lstm(3, 4).named_parameters())
    assert (parameters["bias_ih_l0"] + parameters["bias_hh_l0"]).tolist() == [0.0] * 4 + [
        1.0
    ] * 4 + [0.0] * 8


@pytest.mark.parametrize("measured", [False, True])
def test_gru_d_fades_as_the_paper_says(measured: bool) -> None:
    """One variable, two units, all weights known; the paper's equations one by one."""
    w_z, w_r, w_new = np.array([[0.3, -0.2]]), np.array([[-0.4, 0.6]]), np.array([[0.7, 0.1]])
    v_z, v_r, v_new = np.array([[0.2, 0.5]]), np.array([[0.1, -0.3]]), np.array([[-0.6, 0.4]])
    b_z, b_r, b_new = np.array([0.05, -0.1]), np.array([0.1, 0.2]), np.array([-0.2, 0.3])
    u_z, u_r = np.array([[0.8, -0.1], [0.3, 0.4]]), np.array([[-0.5, 0.9], [0.2, -0.7]])
    u_new = np.array([[0.9, -0.4], [0.6, 0.2]])
    fade_w, fade_b = np.array([0.25, 0.05]), np.array([-0.1, 0.2])
    cell = GRUD(1, 0, 2)
    from_inputs = np.vstack([np.hstack([w_z, w_r, w_new]), np.hstack([v_z, v_r, v_new])])
    for parameter, value in (
        (cell.input_fade, np.array([[0.5], [0.1]])),
        (cell.state_fade.weight, fade_w[:, None]),
        (cell.state_fade.bias, fade_b),
        (cell.from_inputs.weight, from_inputs.T),
        (cell.from_inputs.bias, np.hstack([b_z, b_r, b_new])),
        (cell.gates.weight, np.hstack([u_z, u_r]).T),
        (cell.candidate.weight, u_new.T),
    ):
        parameter.data = torch.from_numpy(value.astype(np.float32))
    last, days, before = 2.0, 3.0, np.array([0.6, -0.3])

    m = float(measured)
    seen = np.array([m * last + (1 - m) * np.exp(-(0.5 * days + 0.1)) * last])
    h = np.exp(-np.maximum(0, fade_w * days + fade_b)) * before
    z = 1 / (1 + np.exp(-(seen @ w_z + h @ u_z + m * v_z[0] + b_z)))
    r = 1 / (1 + np.exp(-(seen @ w_r + h @ u_r + m * v_r[0] + b_r)))
    new = np.tanh(seen @ w_new + (r * h) @ u_new + m * v_new[0] + b_new)
    with torch.no_grad():
        x = torch.tensor([[[last, m, days]]])
        states, after = cell(x, torch.from_numpy(before.astype(np.float32))[None, None])
    # float32 keeps some 1e-7 of 1
    np.testing.assert_allclose(after[0, 0], (1 - z) * h + z * new, atol=1e-6)
    assert torch.equal(states, after)


def test_gru_d_never_grows_what_it_remembers() -> None:
    """A weight below nought must not make a fade a rise: the paper's max(0, .)."""
    cell = GRUD(1, 0, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.state_fade.weight.fill_(-1.0)
        after = cell(torch.tensor([[[0.0, 0.0, 5.0]]]), torch.tensor([[[0.8]]]))[1]
    assert after.item() == pytest.approx(0.4)  # not faded; half of it goes to a candidate of 0
