"""The bedside monitor: samples the hidden hourly vitals at any interval, without faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import HOUR_MS
from streamer.sim.physiology import FIO2, TEMP, coherent
from streamer.sim.stay import Stay

Array = NDArray[np.float64]

_FINE_PER_HOUR: Final = 6
_FINE_MS: Final = HOUR_MS // _FINE_PER_HOUR
# Patients are connected two to five minutes after they arrive.
_CONNECT_MS: Final = (120_000, 300_000)
# Temperature is charted in a third of the hours (34 % in both hospitals of PhysioNet 2019), by
# some nurses hourly and by some every four hours; FiO2 in a third of the ventilated hours.
_TEMP_CHARTED: Final = (3.4, 6.6)  # Beta
_FIO2_CHARTED: Final = 0.3
# Noise of the sensors: by so much two readings a second apart differ.
_SENSOR_SD: Final = np.array([0.7, 0.2, 0.0, 1.0, 0.8, 0.8, 0.5, 0.4, 0.0])


@dataclass(frozen=True, slots=True)
class Rows:
    """Monitor rows: numbers (R,), times (R,) in epoch ms, values (R, 9) with NaN for missing."""

    number: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    values: Array


class Monitor:
    """Samples the hidden vitals of one stay row by row, in order.

    On the hour, counted from the first row, a row has the hidden hourly value, so a feed sampled
    hourly has the same statistics at any interval. In between, the value departs from the straight
    line by as much as its fast part requires (a Brownian bridge on a 10-minute grid).
    """

    def __init__(self, stay: Stay, rng: np.random.Generator, every_ms: int) -> None:
        self._rng = rng
        self._every_ms = every_ms
        self.first_ms = stay.admit_ms + int(rng.uniform(*_CONNECT_MS))
        self.n_rows = max(0, -(-(stay.discharge_ms - self.first_ms) // every_ms))
        hourly, hours = stay.vitals.hourly, stay.course.hours
        u = np.tile(np.arange(_FINE_PER_HOUR) / _FINE_PER_HOUR, hours)[:, None]
        here = np.repeat(hourly[:-1], _FINE_PER_HOUR, axis=0)
        there = np.repeat(hourly[1:], _FINE_PER_HOUR, axis=0)
        bridge = np.sqrt(2 * u * (1 - u)) * rng.standard_normal(here.shape)
        fine = here + u * (there - here) + stay.vitals.fast_sd * bridge
        fine[:, FIO2] = here[:, FIO2]  # a setting changes in steps
        self._fine = np.concatenate([fine, hourly[-1:]])  # (6 hours + 1, 9)
        self._charted = {
            TEMP: self._charting(rng, hours, rng.beta(*_TEMP_CHARTED)),
            FIO2: self._charting(rng, hours, _FIO2_CHARTED),
        }

    def rows(self, start: int, stop: int) -> Rows:
        """Rows ``start`` to ``stop`` (exclusive), without faults and at full precision."""
        number = np.arange(start, stop)
        values = self._at(number) + _SENSOR_SD * self._rng.standard_normal((len(number), 9))
        values = coherent(values)
        for column, charted in self._charted.items():
            values[~charted[number], column] = np.nan
        return Rows(number, self.first_ms + number * self._every_ms, values)

    def held(self, number: int) -> Array:
        """The (9,) values of row ``number``, none missing, as a stuck gateway repeats them."""
        row: Array = coherent(self._at(np.array([number])))[0]
        return row

    def _at(self, number: NDArray[np.int64]) -> Array:
        grid, rest = np.divmod(number * self._every_ms, _FINE_MS)
        u = (rest / _FINE_MS)[:, None]
        here = self._fine[grid]
        values: Array = here + u * (self._fine[np.minimum(grid + 1, len(self._fine) - 1)] - here)
        values[:, FIO2] = here[:, FIO2]
        return values

    def _charting(self, rng: np.random.Generator, hours: int, share: float) -> NDArray[np.bool_]:
        """Whether a row (n_rows,) has a value charted by hand, once in a ``share`` of the hours."""
        hour = np.flatnonzero(rng.random(hours) < share)
        row = ((hour + rng.random(len(hour))) * HOUR_MS / self._every_ms).astype(np.int64)
        charted = np.zeros(self.n_rows, dtype=np.bool_)
        charted[row[row < self.n_rows]] = True
        return charted
