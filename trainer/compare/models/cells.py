"""The recurrent networks of the comparison: one layer of cells, and a head for each horizon."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from streamer.core.lstm_network import HORIZONS

State: TypeAlias = Tensor | tuple[Tensor, Tensor]
"""``(1, B, H)`` hidden state; of an LSTM with the cell state, of the same shape."""


class GRUD(nn.Module):
    """A GRU whose inputs and whose state fade while nothing is measured.

    Che Z et al., Recurrent neural networks for multivariate time series with missing values, Sci
    Rep 8:6085 (2018), equations 10 to 15. With ``m`` whether a variable is measured, ``d`` days
    since, ``x`` its last value in standard deviations from the training mean and ``h`` the state::

        fade(d) = exp(-max(0, w d + b))     # from 1 to 0; for x one w and b for each variable
        x'      = m x + (1 - m) fade(d) x   # towards 0, the training mean
        h'      = fade_h(d) h               # each unit looks at the d of all variables
        z, r    = sigmoid(W [x', m] + U h' + b)
        h       = (1 - z) h' + z tanh(W [x', m] + U (r h') + b)

    Clock and demographics, which are always known, stand beside ``x'``. It is called as ``nn.GRU``.
    """

    def __init__(self, n_variables: int, n_context: int, hidden: int) -> None:
        super().__init__()
        self.parts = [n_variables, n_variables, n_variables, n_context]
        self.hidden = hidden
        self.input_fade = nn.Parameter(torch.empty(2, n_variables))  # w and b
        self.state_fade = nn.Linear(n_variables, hidden)
        self.from_inputs = nn.Linear(2 * n_variables + n_context, 3 * hidden)  # for z, r, candidate
        self.gates = nn.Linear(hidden, 2 * hidden, bias=False)
        self.candidate = nn.Linear(hidden, hidden, bias=False)
        # Above 0, where the fades have a gradient; at first the mean age of all variables counts.
        nn.init.uniform_(self.input_fade, 0, 0.1)
        nn.init.uniform_(self.state_fade.weight, 0, 1 / n_variables)
        nn.init.zeros_(self.state_fade.bias)

    def forward(self, x: Tensor, h: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Runs over time.

        Args:
            x: ``(T, B, 3 V + C)`` values, masks and days since measured of V variables, context.
            h: ``(1, B, H)`` state before the first step; 0 where absent.

        Returns:
            ``(T, B, H)`` states after each step, and ``(1, B, H)`` the last of them.
        """
        value, measured, days, context = torch.split(x, self.parts, dim=-1)
        w, b = self.input_fade
        faded = torch.where(measured > 0, value, value * _fade(days * w + b))
        gates = self.from_inputs(torch.cat([faded, measured, context], dim=-1))  # (T, B, 3 H)
        fades = _fade(self.state_fade(days))  # (T, B, H)
        state = x.new_zeros(x.shape[1], self.hidden) if h is None else h[0]
        states = []
        for input_gates, input_candidate, fade in zip(
            gates[..., : 2 * self.hidden].unbind(),
            gates[..., 2 * self.hidden :].unbind(),
            fades.unbind(),
            strict=True,
        ):
            state = state * fade
            update, reset = torch.sigmoid(input_gates + self.gates(state)).chunk(2, dim=-1)
            new = torch.tanh(input_candidate + self.candidate(reset * state))
            state = torch.lerp(state, new, update)
            states.append(state)
        return torch.stack(states), state[None]


def _fade(rate: Tensor) -> Tensor:
    return torch.exp(-torch.relu(rate))


class Recurrent(nn.Module):
    """A layer of cells, dropout, and the logits of the horizons.

    ``forward`` on a whole sequence equals the chain of its single steps, dropout aside.
    """

    def __init__(self, layer: nn.Module, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(hidden, len(HORIZONS))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs ``(T, B, I)`` inputs; returns ``(T, B, 3)`` logits and the state after them."""
        out, state = self.layer(x, state)
        logits: Tensor = self.heads(self.dropout(out))
        return logits, state


def lstm(n_inputs: int, hidden: int) -> nn.LSTM:
    """An LSTM whose forget gates begin open, so it remembers at first (Jozefowicz et al. 2015)."""
    layer = nn.LSTM(n_inputs, hidden)
    with torch.no_grad():
        for name, bias in layer.named_parameters():
            if name.startswith("bias"):  # b_ih and b_hh add up
                bias.zero_()
                bias[hidden : 2 * hidden] = 0.5
    return layer
