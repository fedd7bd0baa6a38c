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
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import BUILT_IN, Variable, VariableTable

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


def range_of(variable: Variable) -> tuple[float, float]:
    """The reference range of a variable, in its canonical unit."""
    return variable.reference or RANGES[variable.name]


@lru_cache(maxsize=64)
def _ends(variables: VariableTable) -> tuple[NDArray[np.float32], ...]:
    """Lower and upper ends ``(V,)``, and a change that is worth a word.

    That is a quarter of the range, so 10 beats a minute.
    """
    ranges = np.array([range_of(variable) for variable in variables.all], np.float32)
    low, high = ranges.T.copy()
    return low, high, (high - low) / 4


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


_NORMAL: Final = list(Direction).index(Direction.NORMAL)
_DIRECTIONS: Final = tuple(Direction)


def directions(
    columns: NDArray[np.intp],
    values: NDArray[np.float32],
    earlier: NDArray[np.float32],
    variables: VariableTable = BUILT_IN,
) -> list[Direction]:
    """Judges values against the reference range, and inside it against the patient's own course.

    Args:
        columns: ``(n,)`` indices into ``variables``.
        values: ``(n,)`` the newest one of each, in the canonical unit.
        earlier: ``(n, m)`` values of earlier hours, NaN where nothing was measured.
        variables: have the ranges.

    >>> directions(np.array([0]), np.array([84], np.float32), np.array([[np.nan]], np.float32))
    [<Direction.NORMAL: 'normal'>]
    """
    change = values - _medians(earlier)  # NaN, and so no change, where nothing was measured
    low, high, step = _ends(variables)
    moves = np.abs(change) >= step[columns]
    codes = np.select(
        [values > high[columns], values < low[columns], moves & (change > 0), moves],
        [0, 1, 2, 3],
        _NORMAL,
    )
    return [_DIRECTIONS[code] for code in codes.tolist()]


def _medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The medians of the rows of ``(n, m)`` without NaN, NaN where nothing else is there.

    The bits of `numpy.nanmedian`, without a call for each row.
    """
    ordered = np.sort(values, axis=1)  # NaN comes last
    n_known = (~np.isnan(values)).sum(axis=1)
    row, half = np.arange(len(values)), n_known // 2
    upper = ordered[row, np.minimum(half, values.shape[1] - 1)]
    lower = ordered[row, np.maximum(half - 1, 0)]
    medians: NDArray[np.float32] = np.where(n_known % 2, upper, (lower + upper) / np.float32(2))
    medians[n_known == 0] = np.nan
    return medians
