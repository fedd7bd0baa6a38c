"""The next six hours of five vital signs with intervals: a head beside those of the risk.

It reads the features of the hour and the LSTM's output after it, both of which are there anyway,
and no weight that the risk depends on is its own. So it needs no state, and asking for it changes
no risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.core import features
from streamer.core.lstm_network import Weights, check_shapes
from streamer.core.matrix_blocks import Floats, Product, block_rows, with_bias
from streamer.core.variables import HIGH, INDEX, LOW

FORECAST_VITALS: Final = ("heart_rate", "map", "resp_rate", "spo2", "temperature")
DIGITS: Final = (1, 1, 1, 1, 2)
"""Decimals of each in a message: a tenth of what a monitor shows."""
HOURS: Final = (1, 2, 3, 4, 5, 6)
LEVELS: Final = (0.1, 0.5, 0.9)
"""Low, median and high: four of five values are to lie between the outer two."""

VARIABLES: Final = np.array([INDEX[name] for name in FORECAST_VITALS])
LAST: Final = np.array([features.NAMES.index(f"value:{name}") for name in FORECAST_VITALS])
"""Columns of the features with the last known value of each."""

LEAST_WIDTH: Final = 1e-3  # of a scale: an interval of no width could not be stretched


@dataclass(frozen=True, slots=True)
class HeadSize:
    """What a manifest keeps of a head: inputs (features and the LSTM's units) and hidden units."""

    n_features: int
    memory: int
    units: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the weights by its name."""
        n_out = len(FORECAST_VITALS) * len(HOURS) * len(LEVELS)
        return {
            "scale": (len(FORECAST_VITALS),),
            "stretch": (len(FORECAST_VITALS), len(HOURS)),
            "first.weight": (self.units, self.n_features + self.memory),
            "first.bias": (self.units,),
            "second.weight": (n_out, self.units),
            "second.bias": (n_out,),
        }


class ForecastHead:
    """Quantiles of the change from the last known value; they never cross, by construction.

    The median is one output, the way from it to the others two more that cannot be negative.
    ``scale`` ``(5,)`` is what a change of each vital sign is measured in, NaN where no training
    patient had any; ``stretch`` ``(5, 6)`` widens the intervals to the coverage that they promise
    (split conformal, Romano et al. 2019; by a factor, so that sure ones stay narrower).

    Attributes:
        size: the sizes.
        weights: as they were given.
        rows: of a block of its products (``products.block_rows``).

    Raises:
        ValueError: weights that are not those of the size.
    """

    def __init__(self, size: HeadSize, weights: Weights) -> None:
        check_shapes(weights, size.shapes())
        self.size = size
        self.weights = dict(weights)
        by_name = {name: np.asarray(weight, np.float32) for name, weight in weights.items()}
        self.scale, self._stretch = by_name["scale"], by_name["stretch"]
        self._first = Product(with_bias(by_name["first.weight"], by_name["first.bias"]))
        second = with_bias(by_name["second.weight"], by_name["second.bias"])
        # The outputs of a level side by side: longer runs for numpy.
        second = second.reshape(-1, len(FORECAST_VITALS) * len(HOURS), len(LEVELS)).transpose(
            0, 2, 1
        )
        self._second = Product(second.reshape(size.units + 1, -1))
        self.rows = block_rows((self._first, self._second))

    def quantiles(self, x: Floats, out: Floats) -> Floats:
        """Returns the quantiles of the changes, in units of ``scale``.

        Args:
            x: ``(n, F)`` standardised features of the hour.
            out: ``(n, hidden)`` the LSTM's output after it.

        Returns:
            ``(n, 5, 6, 3)`` by vital sign, hour and level.
        """
        read = self._first.of_rows(np.concatenate([x, out], axis=1), self.rows)
        raw = self._second.of_rows(np.maximum(read, 0), self.rows)
        below, median, above = raw.reshape(
            -1, len(LEVELS), len(FORECAST_VITALS), len(HOURS)
        ).swapaxes(0, 1)
        down = (_softplus(below) + LEAST_WIDTH) * self._stretch
        up = (_softplus(above) + LEAST_WIDTH) * self._stretch
        return np.stack([median - down, median, median + up], axis=-1)

    def values(self, seen: Floats, x: Floats, out: Floats) -> Floats:
        """Returns the quantiles ``(n, 5, 6, 3)`` as values, within the limits of their variable.

        Args:
            seen: ``(n, F)`` raw features; a vital sign that they do not know has no forecast: NaN.
            x: the same, standardised.
            out: as in ``quantiles``.
        """
        change = self.quantiles(x, out) * self.scale[:, None, None]
        low, high = (limit[VARIABLES, None, None].astype(np.float32) for limit in (LOW, HIGH))
        forecast: Floats = np.clip(seen[:, LAST][:, :, None, None] + change, low, high)
        return forecast


def _softplus(x: Floats) -> Floats:
    """log(1 + exp(x)), in a form that cannot overflow."""
    positive: Floats = np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
    return positive
