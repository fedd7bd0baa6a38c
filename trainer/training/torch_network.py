"""The network of ``streamer.core.lstm_network`` as a module of PyTorch, which trains it.

A trained one is turned into arrays (``TorchNetwork.in_numpy``) before anything is chosen or
measured with it, so that all figures are those of the network that scores.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from streamer.core.lstm_network import HORIZONS, Architecture, Network


class TorchNetwork(nn.Module):
    """Standardised features in, logits of the horizons out, state handed in and back.

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
        return self.run(self.encode(x), h, c)

    def run(self, read: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from encoded hours ``(T, B, encoder)`` on."""
        out, h, c = self.remember(read, h, c)
        return self.glance(read) + self.recall(self.dropout(out)), h, c

    def remember(self, read: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Runs the LSTM over encoded hours; returns its outputs ``(T, B, hidden)``, h and c."""
        out, (h, c) = cast(tuple[Tensor, tuple[Tensor, Tensor]], self.lstm(read, (h, c)))
        return out, h, c

    def glance(self, read: Tensor) -> Tensor:
        """Logits ``(..., 3)`` of hours that were encoded ``(..., encoder)``, each for itself."""
        return linear(read, self.glance_head, self.bias)

    def recall(self, out: Tensor) -> Tensor:
        """What the LSTM's output ``(..., hidden)`` adds to the logits ``(..., 3)``."""
        return linear(out, self.memory_head)

    def encode(self, x: Tensor) -> Tensor:
        """Reads ``(..., F)`` standardised hours, each for itself; returns ``(..., encoder)``."""
        return self.encode_rest(self.encode_first(x))

    def encode_first(self, x: Tensor) -> Tensor:
        """The encoder's first layer, before its dropout: most of the work, nothing by chance."""
        low, width = self.edges[:, :-1], self.edges.diff(dim=1)
        pieces = ((x[..., self.binned, None] - low) / width).clamp(0, 1)  # (..., binned, bins)
        return relu(self.first(torch.cat([x, pieces.flatten(-2)], dim=-1)))

    def encode_rest(self, first: Tensor) -> Tensor:
        """Its dropout and second layer, from ``(..., encoder)`` of ``encode_first``."""
        read: Tensor = self.encoder_dropout(relu(self.second(self.encoder_dropout(first))))
        return read

    def in_numpy(self) -> Network:
        """The network that scores, with a copy of these weights."""
        return Network(self.architecture, arrays(self))

    @classmethod
    def of(cls, network: Network) -> TorchNetwork:
        """The module of a network that scores, with a copy of its weights, not to be trained."""
        module = cls(network.architecture)
        module.load_state_dict(
            {name: torch.from_numpy(weights.copy()) for name, weights in network.weights.items()}
        )
        return module.requires_grad_(False).eval()


def arrays(module: nn.Module) -> dict[str, NDArray[Any]]:
    """A copy of the weights and buffers of a module, by name."""
    return {name: value.cpu().numpy().copy() for name, value in module.state_dict().items()}
