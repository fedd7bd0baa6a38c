"""The UCI file "Diabetes 130-US hospitals for years 1999-2008" (``diabetic_data.csv``).

Strack B et al., BioMed Research International 2014:781670; doi 10.24432/C5230J. One row is one
admission of a patient with diabetes. It has no dates: the admissions of a patient are put in the
order of ``encounter_id``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import DataError
from streamer.datasets.files import numbers
from trainer.examples.admissions import Admissions
from trainer.examples.csv_file import read_columns

Floats = NDArray[np.float64]

COUNTS: Final = (
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
)
"""Taken as they are. The three visit counts are of the year before the admission."""

FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "gender": ("Female",),
    "max_glu_serum": ("Norm", ">200", ">300"),
    "A1Cresult": ("Norm", ">7", ">8"),
    "insulin": ("Steady", "Up", "Down"),
    "change": ("Ch",),
    "diabetesMed": ("Yes",),
    "admission_type_id": ("1", "2", "3"),  # emergency, urgent, elective
}
"""A column of 0 and 1 for each of these values; any other is none of them."""

GROUPS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "circulatory": ((390, 459), (785, 785)),
    "respiratory": ((460, 519), (786, 786)),
    "digestive": ((520, 579), (787, 787)),
    "diabetes": ((250, 250),),
    "injury": ((800, 999),),
    "musculoskeletal": ((710, 739),),
    "genitourinary": ((580, 629), (788, 788)),
    "neoplasms": ((140, 239),),
}
"""Groups of the first diagnosis, ICD-9 (table 2 of the paper); any other code is in none."""

OUTCOMES: Final = ("<30", ">30", "NO")
LEFT_OUT: Final = ("11", "13", "14", "19", "20", "21")
"""Codes of discharge by death or to a hospice: such a patient cannot come back."""

NEEDED: Final = (
    "encounter_id",
    "patient_nbr",
    "age",
    "discharge_disposition_id",
    "diag_1",
    *COUNTS,
    *FLAGS,
    "readmitted",
)
NAMES: Final = (
    "age",
    *COUNTS,
    *(f"{column} {value}" for column, values in FLAGS.items() for value in values),
    *(f"diagnosis {group}" for group in GROUPS),
    "back within 30 days last time",
    "admissions before",
)
EXPECTED: Final = "diabetic_data.csv of the UCI data set 'Diabetes 130-US hospitals'"


def read_diabetes(file: Path) -> Admissions:
    """Reads the file.

    The outcome of the admission before is a column, since it is known by the next discharge; an
    admission's own outcome is in no column.

    Raises:
        DataError: the file cannot be read, lacks columns or rows, or has impossible values.
    """
    table = read_columns(file, NEEDED, "CSV file", EXPECTED)
    if not table.num_rows:
        raise DataError(f"{file}: no rows")

    def location(row: int) -> str:
        return f"{file}, line {row + 2}"

    text = {name: np.array(table[name].to_pylist(), np.str_) for name in NEEDED}
    for row in np.flatnonzero(~np.isin(text["readmitted"], OUTCOMES))[:1]:
        raise DataError(
            f"{location(row)}: readmitted is {str(text['readmitted'][row])!r}, not <30, >30 or NO"
        )
    encounter = numbers(table["encounter_id"], "encounter_id", location)
    ids, count = np.unique(encounter, return_counts=True)
    if len(ids) < len(encounter):
        twice = ids[count > 1][0]
        row = int(np.flatnonzero(encounter == twice)[1])
        raise DataError(f"{location(row)}: encounter_id {twice:.0f} comes a second time")
    columns = [
        _age(text["age"], location),
        *(numbers(table[name], name, location) for name in COUNTS),
        *(text[name] == value for name, values in FLAGS.items() for value in values),
        *_groups(text["diag_1"]).T,
    ]
    kept = np.flatnonzero(~np.isin(text["discharge_disposition_id"], LEFT_OUT))
    if not len(kept):
        raise DataError(f"{file}: every row is a discharge by death or to a hospice")
    patients, owner = np.unique(text["patient_nbr"][kept], return_inverse=True)
    order = np.lexsort((encounter[kept], owner))
    rows, owner = kept[order], owner[order]
    starts = np.searchsorted(owner, np.arange(len(patients) + 1))
    back = text["readmitted"][rows] == "<30"
    before = np.arange(len(rows)) - starts[owner]
    last_time = np.where(before > 0, np.roll(back, 1), False)
    x = np.column_stack([np.column_stack(columns)[rows], last_time, before]).astype(np.float64)
    return Admissions([str(p) for p in patients], starts, NAMES, x, back)


def _age(text: NDArray[np.str_], location: Callable[[int], str]) -> Floats:
    """(R,) the middle of ``[70-80)``."""
    middles = {f"[{low}-{low + 10})": low + 5.0 for low in range(0, 100, 10)}
    for row in np.flatnonzero(~np.isin(text, list(middles)))[:1]:
        raise DataError(f"{location(row)}: age is {str(text[row])!r}, not a band such as [70-80)")
    return np.array([middles[str(band)] for band in text])


def _groups(code: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(R, groups) whether an ICD-9 code such as 250.83 or V45 belongs to each group."""
    head = [part.partition(".")[0] for part in code.tolist()]
    number = np.array([int(part) if part.isdecimal() else -1 for part in head])
    return np.stack(
        [
            np.logical_or.reduce([(number >= low) & (number <= high) for low, high in ranges])
            for ranges in GROUPS.values()
        ],
        axis=1,
    )
