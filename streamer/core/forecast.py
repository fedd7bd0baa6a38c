"""The next six hours of five vital signs with intervals: a head beside those of the risk.

It reads the features of the hour and the LSTM's output after it, both of which are there anyway,
and no weight that the risk depends on is its own. So it needs no state, and asking for it changes
no risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from streamer.core import features
from streamer.core.network import padded
from streamer.core.variables import HIGH, INDEX, LOW

Floats = NDArray[np.float32]

VITALS: Final = ("heart_rate", "map", "resp_rate", "spo2", "temperature")
DIGITS: Final = (1, 1, 1, 1, 2)
"""Decimals of each in a message: a tenth of what a monitor shows."""
HOURS: Final = (1, 2, 3, 4, 5, 6)
LEVELS: Final = (0.1, 0.5, 0.9)
"""Low, median and high: four of five values are to lie between the outer two."""

VARIABLES: Final = np.array([INDEX[name] for name in VITALS])
LAST: Final = np.array([features.NAMES.index(f"value:{name}") for name in VITALS])
"""Columns of the features with the last known value of each."""

_LEAST_WIDTH: Final = 1e-3  # of a scale: an interval of no width could not be stretched


@dataclass(frozen=True, slots=True)
class HeadSize:
    """What a manifest keeps of a head: inputs (features and the LSTM's units) and hidden units."""

    n_features: int
    memory: int
    units: int


class ForecastHead(nn.Module):
    """Quantiles of the change from the last known value; they never cross, by construction.

    The median is one output, the way from it to the others two more that cannot be negative.
    ``scale`` ``(5,)`` is what a change of each vital sign is measured in, NaN where no training
    patient had any; ``stretch`` ``(5, 6)`` widens the intervals to the coverage that they promise
    (split conformal, Romano et al. 2019; by a factor, so that sure ones stay narrower).
    """

    scale: Tensor
    stretch: Tensor

    def __init__(self, size: HeadSize) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("scale", torch.ones(len(VITALS)))
        self.register_buffer("stretch", torch.ones(len(VITALS), len(HOURS)))
        self.first = nn.Linear(size.n_features + size.memory, size.units)
        self.second = nn.Linear(size.units, len(VITALS) * len(HOURS) * len(LEVELS))
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
        rows = padded(torch.cat([x, out], dim=-1))
        raw = self.second(relu(self.first(rows)))[: len(x)]
        below, median, above = raw.reshape(-1, len(VITALS), len(HOURS), len(LEVELS)).unbind(-1)
        down = (softplus(below) + _LEAST_WIDTH) * self.stretch
        up = (softplus(above) + _LEAST_WIDTH) * self.stretch
        return torch.stack([median - down, median, median + up], dim=-1)

    def values(self, seen: Floats, x: Tensor, out: Tensor) -> Floats:
        """Returns the quantiles ``(n, 5, 6, 3)`` as values, within the limits of their variable.

        Args:
            seen: ``(n, F)`` raw features; a vital sign that they do not know has no forecast: NaN.
            x: the same, standardised.
            out: as in ``forward``.
        """
        with torch.inference_mode():
            change = (self(x, out) * self.scale[:, None, None]).numpy()
        low, high = (limit[VARIABLES, None, None].astype(np.float32) for limit in (LOW, HIGH))
        found: Floats = np.clip(seen[:, LAST][:, :, None, None] + change, low, high)
        return found
