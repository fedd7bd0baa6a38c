"""The wire of one stay: faults, delays and losses of its messages between bed and broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import HOUR_MS, MINUTE_MS
from streamer.sim.labs import DECIMALS, Draw
from streamer.sim.monitor import Monitor, Rows
from streamer.sim.physiology import DBP, FIO2, HR, MAP, MONITOR, SBP, SPO2, TEMP
from streamer.sim.scenario import Wire
from streamer.sim.stay import Stay

Array = NDArray[np.float64]
Times = NDArray[np.int64]

LEADS_OFF: Final = 8388607.0  # ISO/IEEE 11073 "no value", as gateways pass it on (2**23 - 1)
# Lengths of silences in hours (median 1, p90 2, p99 6 in the real feeds) and their frequencies.
_GAP_HOURS: Final = np.array([1, 2, 3, 4, 5, 6, 12])
_GAP_ODDS: Final = np.cumsum([0.69, 0.22, 0.04, 0.017, 0.011, 0.014, 0.008])
_FROZEN_HOURS: Final = (6, 12)
_CUFF_EVERY_MS: Final = 15 * MINUTE_MS
_PRESSURES: Final = [SBP, MAP, DBP]
_CHARTED: Final = [TEMP, FIO2]  # written by hand: no silence or stuck gateway touches them
# Resolution: whole numbers, temperature 0.1, FiO2 0.01.
_DECIMALS: Final = np.array([0, 0, 1, 0, 0, 0, 0, 0, 2])
_FULL_DECIMALS: Final = 4  # with rounding off; more would only lengthen the JSON
_LATE_MEAN_MS: Final = 30 * MINUTE_MS
_LATE_MAX_MS: Final = 4 * HOUR_MS
_REPEAT_MEAN_MS: Final = MINUTE_MS

# The other unit of an analyte: its UCUM code, and the factor from the canonical unit.
OTHER_LAB_UNITS: Final = {
    "glucose": ("mmol/L", 1 / 18.0), "creatinine": ("umol/L", 88.4), "hemoglobin": ("g/L", 10.0),
}  # fmt: skip
OTHER_MONITOR_UNITS: Final = {"temperature": "[degF]", "fio2": "%"}


@dataclass(frozen=True, slots=True)
class Sent:
    """Monitor rows as sent: event times and due times (R,), values (R, 9) with NaN left out.

    ``repeat_ms`` (R,) is the due time of a second copy, -1 for none; ``held_up`` (R,) marks rows
    that were delayed.
    """

    number: NDArray[np.int64]
    time_ms: Times
    due_ms: Times
    repeat_ms: Times
    held_up: NDArray[np.bool_]
    values: Array


class StayWire:
    """The faults of one stay, drawn at its start, and their effect on its messages."""

    def __init__(
        self, wire: Wire, rng: np.random.Generator, stay: Stay, monitor: Monitor, every_ms: int
    ) -> None:
        self._wire = wire
        self._rng = rng
        self._every_ms = every_ms
        hours = stay.course.hours
        chance = rng.random(4)
        self.other_units = bool(chance[0] < wire.other_units_share)
        self.cuff = bool(chance[1] < wire.cuff_share)
        self._skew_ms = 0
        if chance[2] < wire.clock_skew_share:
            self._skew_ms = int(rng.uniform(-1000, 1000) * wire.clock_skew_max_s)
        self._silent = _silences(rng, wire, hours)  # (hours, 9)
        self._frozen: tuple[int, int] | None = None  # rows
        if chance[3] < wire.frozen_share and hours > _FROZEN_HOURS[0]:
            self._frozen = _frozen_rows(rng, hours, HOUR_MS / every_ms)
            self._held = monitor.held(min(self._frozen[0], monitor.n_rows - 1))

    def rows(self, rows: Rows) -> Sent:
        """Applies the faults to monitor rows."""
        wire, number = self._wire, rows.number
        values = rows.values.copy()
        hour = np.minimum(number * self._every_ms // HOUR_MS, len(self._silent) - 1)
        silent = self._silent[hour]
        if self._frozen is not None:
            stuck = (number >= self._frozen[0]) & (number < self._frozen[1])
            if stuck.any():
                chart = values[:, _CHARTED]
                values[stuck] = self._held
                values[:, _CHARTED] = chart
                silent = silent & ~stuck[:, None]
        values[silent] = np.nan
        if self.cuff and self._every_ms < _CUFF_EVERY_MS:
            between = number % max(1, _CUFF_EVERY_MS // self._every_ms) != 0
            values[np.ix_(between, _PRESSURES)] = np.nan
        if wire.artefact_share:
            self._artefacts(values)
        self._units(values)
        if wire.rounding:
            values = np.round(values * _SCALE) / _SCALE
        else:
            values = np.round(values, _FULL_DECIMALS)
        due_ms, repeat_ms = self._deliver(rows.time_ms)
        kept = ~np.isnan(values).all(axis=1)
        held_up = (due_ms != rows.time_ms)[kept]
        time_ms = (rows.time_ms + self._skew_ms)[kept]
        return Sent(number[kept], time_ms, due_ms[kept], repeat_ms[kept], held_up, values[kept])

    def laboratory(self, draw: Draw, draw_ms: int) -> tuple[int, dict[str, float], dict[str, str]]:
        """A draw as reported: due time of the result, values, and the units that it names.

        Glucose at the bedside has no delay by the laboratory.
        """
        wire, rng = self._wire, self._rng
        due_ms = draw_ms
        if draw.panel != "point_of_care_glucose":
            low, high = wire.lab_delay_min_minutes, wire.lab_delay_max_minutes
            due_ms += int(rng.uniform(low, high) * MINUTE_MS)
        slip = bool(rng.random() < wire.unit_slip_share)
        values, units = {}, {}
        for name, clean in draw.values.items():
            value, decimals = clean, DECIMALS[name]
            if name in OTHER_LAB_UNITS and (slip or self.other_units):
                unit, factor = OTHER_LAB_UNITS[name]
                value, decimals = value * factor, 1
                if not slip:
                    units[name] = unit
            values[name] = round(value, decimals if wire.rounding else _FULL_DECIMALS)
        return due_ms, values, units

    def repeat(self, due_ms: int) -> int:
        """The due time of a second copy of a message, -1 for none."""
        if self._rng.random() < self._wire.duplicate_share:
            return due_ms + 1 + int(self._rng.exponential(_REPEAT_MEAN_MS))
        return -1

    def _artefacts(self, values: Array) -> None:
        """Adds artefacts in place: motion, a flushed arterial line (a squeezed cuff), leads off."""
        struck = np.flatnonzero(self._rng.random(len(values)) < self._wire.artefact_share)
        for row in struck.tolist():
            here = ~np.isnan(values[row])
            kind = self._rng.integers(4)
            if kind == 0:  # motion reads as desaturation
                values[row, SPO2] -= self._rng.uniform(8.0, 30.0)
            elif kind == 1:  # T waves counted, or beats missed
                values[row, HR] *= self._rng.choice([0.5, 1.6])
            elif kind == 2:
                values[row, _PRESSURES] = self._rng.uniform(260.0, 330.0)
            else:
                values[row, HR] = self._rng.choice([0.0, LEADS_OFF])
            values[row, SPO2] = max(values[row, SPO2], 51.0)
            values[row, ~here] = np.nan

    def _units(self, values: Array) -> None:
        """Converts temperature to degF and FiO2 to percent, in place: by habit or by mistake."""
        if self.other_units:
            fahrenheit = np.ones(len(values), dtype=np.bool_)
            values[:, FIO2] *= 100.0
        else:
            fahrenheit = self._rng.random(len(values)) < self._wire.unit_slip_share
        values[fahrenheit, TEMP] = values[fahrenheit, TEMP] * 1.8 + 32.0

    def _deliver(self, time_ms: Times) -> tuple[Times, Times]:
        """Due times of rows and of their second copies (-1: none)."""
        wire, n = self._wire, len(time_ms)
        chance = self._rng.random((n, 2))
        due_ms = time_ms.copy()
        late = chance[:, 0] < wire.late_share
        if late.any():
            delay = self._rng.exponential(_LATE_MEAN_MS, int(late.sum()))
            due_ms[late] += MINUTE_MS + np.minimum(delay, _LATE_MAX_MS).astype(np.int64)
        overtaken = (chance[:, 0] >= 1.0 - wire.out_of_order_share) & ~late
        if overtaken.any():
            times = self._rng.uniform(1.1, 1.9, int(overtaken.sum()))
            due_ms[overtaken] += (times * self._every_ms).astype(np.int64)
        repeat_ms = np.full(n, -1)
        twice = chance[:, 1] < wire.duplicate_share
        if twice.any():
            gap = self._rng.exponential(_REPEAT_MEAN_MS, int(twice.sum())).astype(np.int64)
            repeat_ms[twice] = due_ms[twice] + 1 + gap
        return due_ms, repeat_ms


def _silences(rng: np.random.Generator, wire: Wire, hours: int) -> NDArray[np.bool_]:
    """Whether a monitor column is silent in an hour of the stay, (hours, 9)."""
    silent = rng.random((hours, len(MONITOR))) < wire.channel_gap_share
    starts = np.flatnonzero(rng.random(hours) < wire.gaps_per_hour)
    kinds = np.searchsorted(_GAP_ODDS, rng.random(len(starts)) * _GAP_ODDS[-1])
    for start, length in zip(starts.tolist(), _GAP_HOURS[kinds].tolist(), strict=True):
        silent[start : start + length] = True
    silent[:, _CHARTED] = False
    return silent


def _frozen_rows(rng: np.random.Generator, hours: int, rows_per_hour: float) -> tuple[int, int]:
    """The rows [first, last) of a stuck gateway, 6-12 whole hours of the stay."""
    length = min(int(rng.integers(_FROZEN_HOURS[0], _FROZEN_HOURS[1] + 1)), hours - 1)
    start = int(rng.integers(0, hours - length))
    return int(start * rows_per_hour), int((start + length) * rows_per_hour)


_SCALE: Final = 10.0**_DECIMALS
