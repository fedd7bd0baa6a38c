"""The recurrent network: an LSTM whose state is an argument, and one head a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn

HORIZONS: Final = ("6h", "24h", "48h")
"""Onset within six hours or already; by this time tomorrow; within two days."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a network: what a manifest keeps and a stay's state is laid out by."""

    n_features: int
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.0


class Network(nn.Module):
    """Standardised features in, logits of the horizons out, state handed in and back.

    ``forward`` on a whole sequence equals the chain of its single steps: dropout aside, nothing
    looks ahead and nothing is kept in the module.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.lstm = nn.LSTM(
            architecture.n_features,
            architecture.hidden,
            architecture.layers,
            batch_first=False,
            dropout=architecture.dropout if architecture.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Parameter(torch.zeros(len(HORIZONS), architecture.hidden))
        self.bias = nn.Parameter(torch.zeros(len(HORIZONS)))
        nn.init.normal_(self.head, std=architecture.hidden**-0.5)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_ih"):  # b_ih and b_hh add up, so only one gets the +1
                nn.init.zeros_(parameter)
                with torch.no_grad():  # forget gates open at the start: Jozefowicz et al. 2015
                    parameter[architecture.hidden : 2 * architecture.hidden] = 1.0
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
        out, (h, c) = cast(tuple[Tensor, tuple[Tensor, Tensor]], self.lstm(x, (h, c)))
        out = self.dropout(out)
        # A sum per head, not a matrix product: its order does not depend on the batch, so a
        # patient's logit is the same bits whoever else is in the batch.
        logits = torch.stack([(out * weights).sum(-1) for weights in self.head], dim=-1)
        return logits + self.bias, h, c
