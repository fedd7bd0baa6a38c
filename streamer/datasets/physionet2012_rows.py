"""Builds ``Records`` from the charted triples of PhysioNet 2012 (time, parameter, value)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streamer.core.variables import INDEX
from streamer.datasets.cohort import DataError
from streamer.datasets.files import numbers

PARAMETERS: Final[dict[str, tuple[str, int]]] = {
    "HR": ("heart_rate", 0),
    "Temp": ("temperature", 0),
    "NISysABP": ("sbp", 0),
    "SysABP": ("sbp", 1),
    "NIMAP": ("map", 0),
    "MAP": ("map", 1),
    "NIDiasABP": ("dbp", 0),
    "DiasABP": ("dbp", 1),
    "RespRate": ("resp_rate", 0),
    "HCO3": ("bicarbonate", 0),
    "FiO2": ("fio2", 0),
    "pH": ("ph", 0),
    "PaCO2": ("paco2", 0),
    "SaO2": ("sao2", 0),
    "AST": ("ast", 0),
    "BUN": ("bun", 0),
    "ALP": ("alkaline_phosphatase", 0),
    "Creatinine": ("creatinine", 0),
    "Glucose": ("glucose", 0),
    "Lactate": ("lactate", 0),
    "Mg": ("magnesium", 0),
    "K": ("potassium", 0),
    "Bilirubin": ("bilirubin_total", 0),
    "TroponinI": ("troponin_i", 0),
    "HCT": ("hematocrit", 0),
    "WBC": ("wbc", 0),
    "Platelets": ("platelets", 0),
}
"""The variable and the rank of each parameter of the data set. Where two parameters of one variable
were charted in the same minute the higher rank counts: the arterial line before the cuff."""

MISSING: Final = -1.0
_CLOCK: Final = re.compile(r"(\d{1,3}):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Records:
    """Charted values of many stays, ordered by stay, minute and variable; N stays, C values.

    Attributes:
        patient_ids: N record ids.
        starts: (N + 1,) offsets; stay ``i`` has the values ``starts[i]:starts[i + 1]``.
        minute: (C,) minutes since ICU admission.
        variable: (C,) index into ``streamer.core.variables.VARIABLES``.
        value: (C,) as charted; each variable at most once a minute.
        age: (N,) years, NaN where unknown.
        sex: (N,) ``female``, ``male`` or ``unknown``.
        icu_type: (N,) ``medical``, ``surgical``, ``other`` (coronary care and the cardiac surgery
            recovery unit) or ``unknown``.
    """

    patient_ids: list[str]
    starts: NDArray[np.int64]
    minute: NDArray[np.int32]
    variable: NDArray[np.int16]
    value: NDArray[np.float32]
    age: NDArray[np.float32]
    sex: NDArray[np.str_]
    icu_type: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.patient_ids)


def assemble(
    patient_ids: list[str],
    starts: NDArray[np.int64],
    table: Any,
    locate: Callable[[int], str],
) -> Records:
    """Builds the records of these stays from the columns ``Time``, ``Parameter`` and ``Value``.

    Parameters without a variable are left out; so is -1, which stands for missing.

    Args:
        patient_ids: N record ids.
        starts: (N + 1,) row offsets of the stays.
        table: an Arrow table with the three columns.
        locate: names file and line of a row, for the error message.

    Raises:
        DataError: a time is not ``hh:mm``, or a value is not a number.
    """
    minute = _minutes(table["Time"], locate)
    parameter, names = _coded(table["Parameter"])
    value = numbers(table["Value"], "Value", locate)
    stay = np.repeat(np.arange(len(patient_ids)), np.diff(starts))
    variable = np.array([INDEX[PARAMETERS[n][0]] if n in PARAMETERS else -1 for n in names])
    rank = np.array([PARAMETERS[n][1] if n in PARAMETERS else 0 for n in names])

    kept = np.flatnonzero((variable[parameter] >= 0) & (value != MISSING) & np.isfinite(value))
    order = np.lexsort(
        (
            value[kept],
            rank[parameter[kept]],
            variable[parameter[kept]],
            minute[kept],
            stay[kept],
        )
    )
    kept = kept[order]
    slot = np.stack([stay[kept], minute[kept], variable[parameter[kept]]])
    # The last of equals: the highest rank, then the greater value, as the contract breaks ties.
    kept = kept[np.append((slot[:, 1:] != slot[:, :-1]).any(axis=0), True)[: len(kept)]]

    def first(name: str) -> NDArray[np.float64]:
        of_stay = np.full(len(patient_ids), np.nan)
        if name in names:
            rows = np.flatnonzero(parameter == names.index(name))[::-1]
            of_stay[stay[rows]] = np.where(value[rows] == MISSING, np.nan, value[rows])
        return of_stay

    gender, unit = first("Gender"), first("ICUType")
    return Records(
        patient_ids,
        np.searchsorted(stay[kept], np.arange(len(patient_ids) + 1)),
        minute[kept],
        variable[parameter[kept]].astype(np.int16),
        value[kept].astype(np.float32),
        first("Age").astype(np.float32),
        np.select([gender == 0, gender == 1], ["female", "male"], "unknown"),
        np.select(
            [unit == 3, unit == 4, (unit == 1) | (unit == 2)],
            ["medical", "surgical", "other"],
            "unknown",
        ),
    )


def concatenate(parts: Sequence[Records]) -> Records:
    """Joins records; the caller makes sure that no record is in two of them."""
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(part.starts[-1] for part in parts)])
    starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    return Records(
        [patient for part in parts for patient in part.patient_ids],
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([part.minute for part in parts]),
        np.concatenate([part.variable for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.age for part in parts]),
        np.concatenate([part.sex for part in parts]),
        np.concatenate([part.icu_type for part in parts]),
    )


def _coded(column: Any) -> tuple[NDArray[np.int32], list[str]]:
    encoded: Any = column.cast(pa.string()).fill_null("").combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _minutes(column: Any, locate: Callable[[int], str]) -> NDArray[np.int32]:
    code, clocks = _coded(column)
    minutes = np.zeros(len(clocks), np.int32)
    for i, clock in enumerate(clocks):
        match = _CLOCK.fullmatch(clock)
        if match is None:
            row = int((code == i).argmax())
            raise DataError(f"{locate(row)}: Time is {clock!r}, not hh:mm since ICU admission")
        minutes[i] = 60 * int(match[1]) + int(match[2])
    return minutes[code]
