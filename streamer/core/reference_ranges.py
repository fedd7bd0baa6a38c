"""High and low to a clinician: reference ranges of adults, and the patient's own course.

Vital signs: the bands that score no point in NEWS2 (Royal College of Physicians, National Early
Warning Score 2, 2017); mean pressure from 65 mmHg on (Surviving Sepsis Campaign 2021, doi
10.1097/CCM.0000000000005337). Laboratory values: American Board of Internal Medicine, Laboratory
Test Reference Ranges (2024), and MSD Manual, Blood Tests; women's and men's ranges together, and
rounded. Lactate up to 2 mmol/L (Sepsis-3, doi 10.1001/jama.2016.0287); glucose as after a meal.
Each laboratory has ranges of its own: these name a direction to a reader and decide nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import VARIABLES

RANGES: Final[dict[str, tuple[float, float]]] = {
    "heart_rate": (51, 90),
    "spo2": (96, 100),
    "temperature": (36.1, 38.0),
    "sbp": (111, 219),
    "map": (65, 110),
    "dbp": (50, 90),
    "resp_rate": (12, 20),
    "etco2": (35, 45),
    "base_excess": (-2, 3),
    "bicarbonate": (22, 28),
    "fio2": (0.20, 0.21),
    "ph": (7.35, 7.45),
    "paco2": (35, 45),
    "sao2": (94, 100),
    "ast": (0, 40),
    "bun": (7, 20),
    "alkaline_phosphatase": (30, 120),
    "calcium": (8.5, 10.5),
    "chloride": (98, 106),
    "creatinine": (0.5, 1.3),
    "bilirubin_direct": (0, 0.4),
    "glucose": (70, 140),
    "lactate": (0.5, 2.0),
    "magnesium": (1.6, 2.6),
    "phosphate": (2.5, 4.5),
    "potassium": (3.5, 5.0),
    "bilirubin_total": (0.1, 1.2),
    "troponin_i": (0, 0.04),
    "hematocrit": (37, 52),
    "hemoglobin": (12, 18),
    "ptt": (25, 35),
    "wbc": (4, 11),
    "fibrinogen": (200, 400),
    "platelets": (150, 450),
}
"""Lower and upper end of each variable in its canonical unit; both belong to the range."""

_LOW: Final = np.array([RANGES[v.name][0] for v in VARIABLES], np.float32)
_HIGH: Final = np.array([RANGES[v.name][1] for v in VARIABLES], np.float32)
_STEP: Final = (_HIGH - _LOW) / 4
"""A change that is worth a word: a quarter of the range, so 10 beats a minute."""


class Direction(StrEnum):
    """How a value stands: outside its range, or inside and how it has moved."""

    HIGH = "high"
    LOW = "low"
    RISING = "rising"
    FALLING = "falling"
    NORMAL = "normal"
    TIMING = "timing"

    @property
    def sentence(self) -> str:
        """What the word means, for people."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    Direction.HIGH: "Above the reference range of adults.",
    Direction.LOW: "Below the reference range of adults.",
    Direction.RISING: "Within the range, and above the patient's median of the last 24 hours.",
    Direction.FALLING: "Within the range, and below the patient's median of the last 24 hours.",
    Direction.NORMAL: "Within the range and as before: the value counts only with the others.",
    Direction.TIMING: "Within the range and as before; when and how often it was measured counts "
    "more than the value.",
}


def _median(values: NDArray[np.float32]) -> np.float32:
    """The bits of `numpy.median`, in a tenth of its time for the few values of a day."""
    ordered, half = np.sort(values), len(values) // 2
    if len(values) % 2:
        median: np.float32 = ordered[half]
    else:
        median = (ordered[half - 1] + ordered[half]) / np.float32(2)
    return median


def direction(variable: int, value: float, earlier: NDArray[np.float32]) -> Direction:
    """Judges a value against the reference range, and inside it against the patient's own course.

    Args:
        variable: index into ``VARIABLES``.
        value: the newest one, in the canonical unit.
        earlier: values of earlier hours, NaN where nothing was measured.

    >>> direction(0, 84.0, np.array([np.nan], np.float32))
    <Direction.NORMAL: 'normal'>
    """
    kept = np.float32(value)
    if kept > _HIGH[variable]:
        return Direction.HIGH
    if kept < _LOW[variable]:
        return Direction.LOW
    known = earlier[~np.isnan(earlier)]
    if len(known):
        change = kept - _median(known)
        if abs(change) >= _STEP[variable]:
            return Direction.RISING if change > 0 else Direction.FALLING
    return Direction.NORMAL
