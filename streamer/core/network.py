"""The network: an encoder of the hour, an LSTM whose state is an argument, one head a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

HORIZONS: Final = ("6h", "24h", "48h")
"""Onset within six hours or already; by this time tomorrow; within two days."""

_LEAST_ROWS: Final = 4
"""A matrix product of fewer rows is another routine, which adds up in another order."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a network: what a manifest keeps and a stay's state is laid out by.

    ``hidden`` units in each of the LSTM's ``layers``; ``encoder`` units in each of the encoder's
    two; ``binned`` features are also given as ``bins`` pieces each.
    """

    n_features: int
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    encoder: int = 128
    encoder_dropout: float = 0.0
    binned: int = 0
    bins: int = 6


class Network(nn.Module):
    """Standardised features in, logits of the horizons out, state handed in and back.

    The encoder reads one hour. What matters of a value is often whether it lies in a range, which
    one weight a feature cannot say; so the most important features also come as pieces, one for
    each range between quantiles, that fill from 0 to 1 as the value passes through it (Gorishniy et
    al. 2022, piecewise linear encoding). The LSTM remembers what was read. A logit is what the
    encoder says of this hour plus what the LSTM adds.

    ``forward`` on a whole sequence equals the chain of its single steps: dropout aside, nothing
    looks ahead and nothing is kept in the module.
    """

    binned: Tensor
    edges: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = self.architecture = architecture
        self.register_buffer("binned", torch.arange(size.binned))  # columns of features
        self.register_buffer("edges", torch.arange(size.bins + 1.0).repeat(size.binned, 1))
        self.first = nn.Linear(size.n_features + size.binned * size.bins, size.encoder)
        self.second = nn.Linear(size.encoder, size.encoder)
        self.encoder_dropout = nn.Dropout(size.encoder_dropout)
        self.lstm = nn.LSTM(
            size.encoder,
            size.hidden,
            size.layers,
            dropout=size.dropout if size.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(size.dropout)
        self.glance_head = nn.Parameter(torch.zeros(len(HORIZONS), size.encoder))
        self.memory_head = nn.Parameter(torch.zeros(len(HORIZONS), size.hidden))
        self.bias = nn.Parameter(torch.zeros(len(HORIZONS)))
        for head in (self.glance_head, self.memory_head):
            nn.init.normal_(head, std=head.shape[1] ** -0.5)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_ih"):  # b_ih and b_hh add up, so only one gets the +1
                nn.init.zeros_(parameter)
                with torch.no_grad():  # forget gates open at the start: Jozefowicz et al. 2015
                    parameter[size.hidden : 2 * size.hidden] = 1.0
            elif name.startswith("bias_hh"):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs over time.

        Args:
            x: ``(T, B, F)`` standardised features.
            h: ``(layers, B, hidden)`` hidden state before the first step.
            c: ``(layers, B, hidden)`` cell state before the first step.

        Returns:
            Logits ``(T, B, 3)`` of ``HORIZONS``, and h and c after the last step.
        """
        read = self.encode(x)
        out, h, c = self.remember(read, h, c)
        return self.glance(read) + self.recall(self.dropout(out)), h, c

    def remember(self, read: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs the LSTM over encoded hours; returns its outputs ``(T, B, hidden)``, h and c."""
        out, (h, c) = cast(tuple[Tensor, tuple[Tensor, Tensor]], self.lstm(read, (h, c)))
        return out, h, c

    def glance(self, read: Tensor) -> Tensor:
        """Logits ``(..., 3)`` of hours that were encoded ``(..., encoder)``, each for itself."""
        return _heads(read, self.glance_head) + self.bias

    def recall(self, out: Tensor) -> Tensor:
        """What the LSTM's output ``(..., hidden)`` adds to the logits ``(..., 3)``."""
        return _heads(out, self.memory_head)

    def encode(self, x: Tensor) -> Tensor:
        """Reads ``(..., F)`` standardised hours, each for itself; returns ``(..., encoder)``."""
        low, width = self.edges[:, :-1], self.edges.diff(dim=1)
        pieces = ((x[..., self.binned, None] - low) / width).clamp(0, 1)  # (..., binned, bins)
        rows = torch.cat([x, pieces.flatten(-2)], dim=-1).flatten(0, -2)
        n = len(rows)
        rows = padded(rows)
        for layer in (self.first, self.second):
            rows = self.encoder_dropout(relu(layer(rows)))
        return rows[:n].reshape(*x.shape[:-1], -1)


def padded(rows: Tensor) -> Tensor:
    """Adds rows of zeros until a matrix product adds up each row as it does in any batch."""
    return pad(rows, (0, 0, 0, max(0, _LEAST_ROWS - len(rows))))


def _heads(given: Tensor, weights: Tensor) -> Tensor:
    # A sum per head, not a matrix product: its order does not depend on the batch, so a patient's
    # logit is the same bits whoever else is in the batch.
    return torch.stack([(given * head).sum(-1) for head in weights], dim=-1)
