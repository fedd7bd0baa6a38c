"""The forecast head of ``streamer.core.forecast`` as a module of PyTorch, which trains it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from streamer.core.forecast import (
    FORECAST_VITALS,
    HOURS,
    LEAST_WIDTH,
    LEVELS,
    ForecastHead,
    HeadSize,
)
from trainer.training.torch_network import arrays


class TorchForecastHead(nn.Module):
    """Quantiles of the change from the last known value; ``ForecastHead`` says what they are."""

    scale: Tensor
    stretch: Tensor

    def __init__(self, size: HeadSize) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("scale", torch.ones(len(FORECAST_VITALS)))
        self.register_buffer("stretch", torch.ones(len(FORECAST_VITALS), len(HOURS)))
        self.first = nn.Linear(size.n_features + size.memory, size.units)
        self.second = nn.Linear(size.units, len(FORECAST_VITALS) * len(HOURS) * len(LEVELS))
        nn.init.zeros_(self.second.weight)  # begins as the last value carried forward
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns the quantiles of the changes, in units of ``scale``.

        Args:
            x: ``(n, F)`` standardised features of the hour.
            out: ``(n, hidden)`` the LSTM's output after it.

        Returns:
            ``(n, 5, 6, 3)`` by vital sign, hour and level.
        """
        rows = torch.cat([x, out], dim=-1)
        raw = self.second(relu(self.first(rows)))
        below, median, above = raw.reshape(
            -1, len(FORECAST_VITALS), len(HOURS), len(LEVELS)
        ).unbind(-1)
        down = (softplus(below) + LEAST_WIDTH) * self.stretch
        up = (softplus(above) + LEAST_WIDTH) * self.stretch
        return torch.stack([median - down, median, median + up], dim=-1)

    @classmethod
    def of(cls, head: ForecastHead) -> TorchForecastHead:
        """The module of a head that foretells, with a copy of its weights, to be trained on."""
        module = cls(head.size)
        module.load_state_dict(
            {name: torch.from_numpy(weights.copy()) for name, weights in head.weights.items()}
        )
        return module

    def in_numpy(self) -> ForecastHead:
        """The head that foretells, with a copy of these weights."""
        return ForecastHead(self.size, arrays(self))
