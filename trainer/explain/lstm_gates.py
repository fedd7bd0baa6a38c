"""What the gates of an LSTM do, hour by hour: ``nn.LSTM`` itself tells only its last state.

The equations are those of ``nn.LSTM`` (Hochreiter and Schmidhuber 1997; forget gate: Gers et al.
2000), with its own weights:

    i, f, o = sigmoid(W x + b + U h + d)      each with its own rows of W, b, U, d
    g       = tanh(W x + b + U h + d)
    c'      = f * c + i * g
    h'      = o * tanh(c')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

Floats = NDArray[np.float32]

LONGEST_HALF_LIFE: Final = 1e6
"""Steps. A forget gate that float32 rounds to 1 keeps for ever, which nobody can draw."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Gates and states of every layer at every step, each ``(layers, T, B, hidden)``.

    Attributes:
        i: input gate, 0 (nothing new is let in) to 1.
        f: forget gate, 0 (the cell is emptied) to 1 (it keeps everything).
        g: candidate that the input gate lets in, -1 to 1.
        o: output gate, 0 (the cell is hidden) to 1.
        c: cell state after the step.
        h: hidden state after the step.
    """

    i: Floats
    f: Floats
    g: Floats
    o: Floats
    c: Floats
    h: Floats

    def half_lives(self) -> Floats:
        """``(layers, B, hidden)`` steps in which a unit forgets half of its cell, on average.

        A cell keeps the product of its forget gates, so their geometric mean is what counts: half
        is left after ``ln 0.5 / mean(ln f)`` steps, if nothing new comes in.
        """
        rate = -np.log(np.maximum(self.f, np.finfo(np.float32).tiny)).mean(axis=1)
        lives: Floats = np.log(np.float32(2)) / np.maximum(rate, np.log(2) / LONGEST_HALF_LIFE)
        return lives.astype(np.float32)


def gate_activity(lstm: nn.LSTM, x: Tensor, h: Tensor, c: Tensor) -> Gates:
    """Runs an LSTM over a sequence and keeps what its gates did.

    Args:
        lstm: one direction, no projection; its dropout between layers is left out, as in ``eval``.
        x: ``(T, B, F)`` inputs, time first whatever ``lstm.batch_first`` says.
        h: ``(layers, B, hidden)`` hidden state before the first step.
        c: ``(layers, B, hidden)`` cell state before the first step.

    Raises:
        ValueError: an LSTM of two directions or with projections.
    """
    if lstm.bidirectional or lstm.proj_size:
        raise ValueError("gates are known for LSTMs of one direction without projections alone")
    layers = []
    with torch.inference_mode():
        for layer in range(lstm.num_layers):
            layers.append(_layer(lstm, layer, x, h[layer], c[layer]))
            x = layers[-1][-1]  # the hidden states are the inputs of the layer above
    kept = torch.stack(layers, dim=1)  # (6, layers, T, B, hidden)
    return Gates(*kept.cpu().numpy())


def _layer(lstm: nn.LSTM, layer: int, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
    """One layer over time: ``(6, T, B, hidden)`` in the order of ``Gates``."""
    w_x, w_h, *biases = lstm.all_weights[layer]  # without biases, where it was made so
    b_x, b_h = biases or (None, None)
    steps = []
    for given in linear(x, w_x, b_x):  # (B, 4 hidden)
        rows = given + linear(h, w_h, b_h)
        i, f, g, o = rows.chunk(4, dim=-1)  # the order in which PyTorch stacks them
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        steps.append(torch.stack([i, f, g, o, c, h]))
    return torch.stack(steps, dim=1)
