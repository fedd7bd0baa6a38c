"""Bedside scores beside the model's risk: NEWS2 and qSOFA, as far as our columns carry them.

NEWS2: Royal College of Physicians 2017, SpO2 scale 1. There is no consciousness column, so ours
reaches 17 of 20. qSOFA: Singer et al., JAMA 2016; without mentation it reaches 2 of 3 ("qSOFA-2").
A value counts for 24 h; a component with none scores 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import INDEX

Floats = NDArray[np.float32]
Scores = NDArray[np.int64]

VALID_HOURS: Final = 24  # ricu carries a score component forward this long

_RESP, _SPO2, _SBP = INDEX["resp_rate"], INDEX["spo2"], INDEX["sbp"]
_PULSE, _TEMPERATURE = INDEX["heart_rate"], INDEX["temperature"]
COMPONENTS: Final = (_RESP, _SPO2, _SBP, _PULSE, _TEMPERATURE)
"""The variables of which at least one must be known for a score to be said at all."""

# For each component: upper edges (inclusive) of the bands, and the points of every band.
_BANDS: Final[dict[int, tuple[list[float], list[int]]]] = {
    _RESP: ([8, 11, 20, 24], [3, 1, 0, 2, 3]),
    _SPO2: ([91, 93, 95], [3, 2, 1, 0]),
    _SBP: ([90, 100, 110, 219], [3, 2, 1, 0, 3]),
    _PULSE: ([40, 50, 90, 110, 130], [3, 1, 0, 1, 2, 3]),
    _TEMPERATURE: ([35.0, 36.0, 38.0, 39.0], [3, 1, 0, 1, 2]),
}


def news2(last: Floats, on_oxygen: NDArray[np.bool_]) -> Scores:
    """Returns NEWS2 of ``(n, 34)`` last values (NaN: none in 24 h) and oxygen use ``(n,)``.

    >>> last = np.full((1, 34), np.nan, np.float32)
    >>> last[0, INDEX["resp_rate"]], last[0, INDEX["sbp"]] = 25, 95
    >>> news2(last, np.array([True])).tolist()
    [7]
    """
    total = np.where(on_oxygen, 2, 0)
    for variable, (edges, points) in _BANDS.items():
        value = last[:, variable]
        # float32 edges: a charted 36.1 must not fall below an edge that is kept more precisely
        band = np.searchsorted(np.array(edges, np.float32), value, side="left")
        total = total + np.where(np.isnan(value), 0, np.array(points)[np.minimum(band, len(edges))])
    return total


def qsofa(last: Floats) -> Scores:
    """Returns qSOFA-2, 0 to 2: SBP <= 100 mmHg and respiratory rate >= 22 /min, one point each."""
    low_pressure = last[:, _SBP] <= 100
    fast_breathing = last[:, _RESP] >= 22
    return low_pressure.astype(np.int64) + fast_breathing
