"""The measurements of one patient, read from the stored stay: last values, and 48 hours of vitals.

The weights of the network that stepped the stay are of no use here, so its stay is read as that of
another model: no bundle is loaded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from streamer.board.api import Value
from streamer.core.codec import Era, decode, variables_of
from streamer.core.features import features_of
from streamer.core.hour_ring import RING
from streamer.core.lstm_network import Architecture
from streamer.core.reference_ranges import range_of
from streamer.core.stays import NEVER, StayTable
from streamer.core.time import HOUR_MS, rfc3339

_NOBODY: Final = Era("", -1)
_DIGITS: Final = 6  # float32 has no more


class Measurements(NamedTuple):
    """What was measured; ``vitals`` is (epoch ms, value) by variable, an hour a point."""

    values: list[Value]
    vitals: dict[str, list[tuple[int, float]]]


def read_measurements(patient: str, partition: int, stored: bytes) -> Measurements:
    """Reads the measurements of a stored stay.

    Raises:
        CorruptState: the bytes are no stay of this version.
    """
    variables = variables_of(stored)
    architecture = Architecture(len(features_of(variables)))
    stays = StayTable(architecture, capacity=1, variables=variables)
    decode(stays, partition, {patient: stored}, _NOBODY)
    slot = stays.slot_of[patient]
    return Measurements(_values(stays, slot), _vitals(stays, slot))


def _values(stays: StayTable, slot: int) -> list[Value]:
    values: list[Value] = []
    columns = zip(
        stays.variables.all,
        stays["last_value"][slot].tolist(),
        stays["last_ms"][slot].tolist(),
        strict=True,
    )
    for variable, value, measured_ms in columns:
        if measured_ms != NEVER:
            low, high = range_of(variable)
            values.append(
                {
                    "variable": variable.name,
                    "value": _rounded(value),
                    "unit": variable.ucum,
                    "time": rfc3339(measured_ms),
                    "low": low,
                    "high": high,
                }
            )
    return values


def _vitals(stays: StayTable, slot: int) -> dict[str, list[tuple[int, float]]]:
    if not stays["started"][slot]:
        return {}
    open_bin, origin_ms = int(stays["open_bin"][slot]), int(stays["origin_ms"][slot])
    first = max(int(stays["first_bin"][slot]), open_bin - RING + 1)
    bins = np.arange(first, open_bin + 1)
    ring = stays.layers["ring"]
    at = ring.rows_at(slot, bins % RING)  # (bins, variables)
    values, offsets_ms = ring.value[at], ring.offset_ms[at]
    vitals = {}
    for index, variable in enumerate(stays.variables.all):
        known = np.flatnonzero(~np.isnan(values[:, index]))
        if variable.is_vital and len(known):
            times_ms = origin_ms + bins[known] * HOUR_MS + offsets_ms[known, index]
            vitals[variable.name] = [
                (time_ms, _rounded(value))
                for time_ms, value in zip(
                    times_ms.tolist(), values[known, index].tolist(), strict=True
                )
            ]
    return vitals


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
