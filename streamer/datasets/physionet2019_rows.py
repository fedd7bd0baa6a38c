"""Builds a ``Cohort`` from the 41 columns of PhysioNet 2019, and checks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import NO_LABEL, Cohort, DataError

VALUE_COLUMNS: Final = tuple(variable.challenge for variable in VARIABLES)
CONTEXT_COLUMNS: Final = ("Age", "Gender", "Unit1", "Unit2", "HospAdmTime", "ICULOS")
LABEL_COLUMN: Final = "SepsisLabel"
PATIENT_COLUMNS: Final = ("patient", "patient_id")
"""Capitals do not count: the combined file that people pass on has ``Patient_ID``."""
SITE_COLUMN: Final = "site"
PERSON_COLUMN: Final = "person"
DATE_COLUMN: Final = "date"
NAME_COLUMNS: Final = (SITE_COLUMN, PERSON_COLUMN, DATE_COLUMN)
"""May be there: the hospital of a stay, the person, who may have several stays, and the day of
admission. In the order of ``Cohort``."""
LONGEST_STAY_HOURS: Final = 24 * 366
"""A greater ICULOS, beyond a year, is an error in the file."""


def check_columns(present: Iterable[str], also: Iterable[str], source: str) -> None:
    """Raises ``DataError`` with the names of all columns that the file lacks."""
    have = set(present)
    missing = [name for name in (*also, *VALUE_COLUMNS, *CONTEXT_COLUMNS) if name not in have]
    if missing == [LABEL_COLUMN]:
        raise DataError(
            f"{source}: missing column {LABEL_COLUMN}; labels are needed here: 1 from six hours "
            "before onset of sepsis to the end of the stay, 0 in all other hours"
        )
    if missing:
        raise DataError(
            f"{source}: missing column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            "every column of PhysioNet 2019 is needed: keep one that is not recorded, empty"
        )


def patient_column(present: Iterable[str]) -> str | None:
    """The name of the column of patients, as the file spells it."""
    by_name = {name.casefold(): name for name in present}
    return next((by_name[name] for name in PATIENT_COLUMNS if name in by_name), None)


def patient_names(ids: list[str], present: Iterable[str]) -> list[str]:
    """Ids as the data set has them.

    The combined file of the challenge (columns ``Hour`` and ``Patient_ID``) writes p000017 as 17.
    """
    is_combined = {"hour", "patient_id"} <= {name.casefold() for name in present}
    if is_combined and all(name.isdecimal() for name in ids):
        return [f"p{int(name):06}" for name in ids]
    return ids


def assemble(
    patient_ids: list[str],
    starts: NDArray[np.int64],
    columns: Mapping[str, NDArray[np.float64]],
    locate: Callable[[int], str],
    names: Mapping[str, Sequence[str | None]] | None = None,
) -> Cohort:
    """Builds the cohort of these stays from float columns, NaN where a cell was empty.

    Context columns are repeated in every row; the first row of a stay counts.

    Args:
        patient_ids: N ids.
        starts: (N + 1,) row offsets of the stays.
        columns: (R,) cells by column name.
        locate: names file and line of a row, for the error message.
        names: (R,) cells of those of ``NAME_COLUMNS`` that the file has.

    Raises:
        DataError: ICULOS or SepsisLabel is missing or impossible in a row.
    """
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which cleaning rejects
        values = np.column_stack([columns[name].astype(np.float32) for name in VALUE_COLUMNS])
    first = {name: columns[name][starts[:-1]] for name in CONTEXT_COLUMNS}
    return Cohort(
        patient_ids,
        starts,
        values,
        _hours(columns["ICULOS"], starts, locate),
        _labels(columns.get(LABEL_COLUMN), int(starts[-1]), locate),
        first["Age"].astype(np.float32),
        np.select([first["Gender"] == 0, first["Gender"] == 1], ["female", "male"], "unknown"),
        np.select([first["Unit1"] == 1, first["Unit2"] == 1], ["medical", "surgical"], "unknown"),
        np.maximum(-first["HospAdmTime"], 0).astype(np.float32),
        _names(names or {}, SITE_COLUMN, starts),
        _names(names or {}, PERSON_COLUMN, starts),
        _names(names or {}, DATE_COLUMN, starts),
    )


def _names(
    names: Mapping[str, Sequence[str | None]], column: str, starts: NDArray[np.int64]
) -> NDArray[np.str_] | None:
    if column not in names:
        return None
    cells = names[column]
    return np.array([(cells[row] or "").strip() for row in starts[:-1].tolist()], np.str_)


def _hours(
    iculos: NDArray[np.float64], starts: NDArray[np.int64], locate: Callable[[int], str]
) -> NDArray[np.int32]:
    wrong = ~((iculos >= 1) & (iculos <= LONGEST_STAY_HOURS) & (iculos == np.floor(iculos)))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{locate(row)}: ICULOS is {iculos[row]}, not a whole hour from 1 on")
    step = np.diff(iculos, prepend=iculos[:1])
    step[starts[:-1]] = 1
    if (step != 1).any():
        row = int((step != 1).argmax())
        raise DataError(
            f"{locate(row)}: ICULOS {iculos[row]:.0f} follows {iculos[row - 1]:.0f}; "
            "a stay has one row for each hour, in order (leave values empty where none was taken)"
        )
    return iculos.astype(np.int32)


def _labels(
    label: NDArray[np.float64] | None, n_rows: int, locate: Callable[[int], str]
) -> NDArray[np.int8]:
    if label is None:
        return np.full(n_rows, NO_LABEL, np.int8)
    wrong = ~((label == 0) | (label == 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{locate(row)}: SepsisLabel is {label[row]}, not 0 or 1")
    return label.astype(np.int8)
