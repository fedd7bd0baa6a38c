"""The PhysioNet 2012 challenge as stays of 48 hours with their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import N_VARIABLES
from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.files import numbers
from streamer.datasets.physionet2012_rows import Records
from trainer.examples.csv_file import read_columns

Floats = NDArray[np.float64]

HOURS: Final = 48  # of each stay; the challenge asks at their end
COLUMNS: Final = ("RecordID", "SAPS-I", "SOFA", "In-hospital_death")
UNKNOWN: Final = -1.0
EXPECTED: Final = "the outcomes of the PhysioNet 2012 challenge, such as Outcomes-a.txt"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcome of each stay, and two scores of its first day; N stays.

    Attributes:
        died: (N,) in hospital.
        saps: (N,) SAPS-I, NaN where unknown.
        sofa: (N,) SOFA, NaN where unknown.
    """

    died: NDArray[np.bool_]
    saps: Floats
    sofa: Floats


def read_outcomes(file: Path, patient_ids: Sequence[str]) -> Outcomes:
    """Reads ``Outcomes-a.txt``, in the order of these records.

    Raises:
        DataError: the file cannot be read, lacks a record, or has an outcome other than 0 or 1.
    """
    table = read_columns(file, COLUMNS, "table of outcomes", EXPECTED)

    def location(row: int) -> str:
        return f"{file}, line {row + 2}"

    row_of = {name: row for row, name in enumerate(table["RecordID"].to_pylist())}
    without = [patient for patient in patient_ids if patient not in row_of]
    if without:
        raise DataError(
            f"{file}: no outcome of {len(without)} of the {len(patient_ids)} records, such as "
            f"{without[0]}; are the records and the outcomes of the same set?"
        )
    died = numbers(table["In-hospital_death"], "In-hospital_death", location)
    for row in np.flatnonzero(~np.isin(died, (0, 1)))[:1]:
        raise DataError(f"{location(row)}: In-hospital_death is {died[row]:g}, not 0 or 1")
    rows = np.array([row_of[patient] for patient in patient_ids])
    saps, sofa = (numbers(table[name], name, location)[rows] for name in ("SAPS-I", "SOFA"))
    return Outcomes(
        died[rows] == 1,
        np.where(saps == UNKNOWN, np.nan, saps),
        np.where(sofa == UNKNOWN, np.nan, sofa),
    )


def hourly(records: Records, died: NDArray[np.bool_]) -> Cohort:
    """Folds charted values into hour rows, as the streamer does: the last of an hour counts.

    A value charted at 48:00 belongs to the hour after, which is not part of the task. Each hour is
    labelled with the outcome of its stay.

    Args:
        records: N stays.
        died: (N,) in hospital.
    """
    n = len(records)
    values = np.full((n * HOURS, N_VARIABLES), np.nan, np.float32)
    stay = np.repeat(np.arange(n), np.diff(records.starts))
    hour = records.minute // 60
    inside = hour < HOURS
    # Ordered by minute, and where two hit one cell, numpy keeps the last.
    values[(stay * HOURS + hour)[inside], records.variable[inside]] = records.value[inside]
    return Cohort(
        list(records.patient_ids),
        np.arange(n + 1, dtype=np.int64) * HOURS,
        values,
        np.tile(np.arange(1, HOURS + 1, dtype=np.int32), n),
        np.repeat(died, HOURS).astype(np.int8),
        records.age,
        records.sex,
        records.icu_type,
        np.full(n, np.nan, np.float32),  # the set does not say
    )
