from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.datasets.cohort import DataError
from tests.support.example_files import diabetes_csv, many_admissions
from trainer.examples.admissions import (
    Admissions,
)
from trainer.examples.diabetes_file import LEFT_OUT, NAMES, read_diabetes


def column(cohort: Admissions, name: str) -> np.ndarray:
    return cohort.x[:, cohort.names.index(name)]


def test_admissions_come_in_the_order_of_their_encounters(tmp_path: Path) -> None:
    file = diabetes_csv(
        tmp_path / "d.csv",
        [
            {"encounter_id": "30", "time_in_hospital": "9", "readmitted": "NO"},
            {"encounter_id": "9", "time_in_hospital": "2", "readmitted": "<30"},
            {"encounter_id": "12", "patient_nbr": "7", "diag_1": "250.83", "age": "[0-10)"},
            {"encounter_id": "10", "readmitted": ">30", "A1Cresult": "Norm", "diag_1": "V45"},
        ],
    )
    admissions = read_diabetes(file)
    assert list(admissions.patient_ids) == ["100", "7"]
    assert admissions.starts.tolist() == [0, 3, 4]
    assert admissions.readmitted.tolist() == [True, False, False, False]
    assert column(admissions, "time_in_hospital").tolist() == [2, 3, 9, 3]
    assert column(admissions, "back within 30 days last time").tolist() == [0, 1, 0, 0]
    assert column(admissions, "admissions before").tolist() == [0, 1, 2, 0]
    assert column(admissions, "age").tolist() == [75, 75, 75, 5]
    assert column(admissions, "A1Cresult >8").tolist() == [1, 0, 1, 1]
    assert column(admissions, "diagnosis circulatory").tolist() == [1, 0, 1, 0]
    assert column(admissions, "diagnosis diabetes").tolist() == [0, 0, 0, 1]


def test_nothing_of_the_outcome_is_among_the_columns(tmp_path: Path) -> None:
    rows = many_admissions(30)
    admissions = read_diabetes(diabetes_csv(tmp_path / "a.csv", rows))
    last = {row["patient_nbr"]: row for row in rows}
    for row in last.values():  # the last admission of each patient
        row["readmitted"] = "NO" if row["readmitted"] == "<30" else "<30"
    again = read_diabetes(diabetes_csv(tmp_path / "b.csv", rows))
    np.testing.assert_array_equal(admissions.x, again.x)
    assert (admissions.readmitted != again.readmitted).sum() == 30
    assert not any("readmitted" in name for name in NAMES)


def test_discharges_by_death_or_to_a_hospice_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"encounter_id": str(i), "patient_nbr": str(i), "discharge_disposition_id": code}
        for i, code in enumerate(["1", *LEFT_OUT, "3"])
    ]
    admissions = read_diabetes(diabetes_csv(tmp_path / "d.csv", rows))
    assert list(admissions.patient_ids) == ["0", str(len(rows) - 1)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"readmitted": "maybe"}, "line 3: readmitted is 'maybe', not <30, >30 or NO"),
        ({"age": "74"}, r"line 3: age is '74', not a band such as \[70-80\)"),
        ({"num_medications": "many"}, "line 3: num_medications is 'many', not a number"),
        ({"encounter_id": "1"}, "line 3: encounter_id 1 comes a second time"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, str], message: str
) -> None:
    file = diabetes_csv(tmp_path / "d.csv", [{}, {"encounter_id": "2"} | row])
    with pytest.raises(DataError, match=message):
        read_diabetes(file)


def test_another_file_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("patient,age\n1,70\n")
    with pytest.raises(DataError, match=r"missing columns encounter_id, patient_nbr.*UCI"):
        read_diabetes(file)
    with pytest.raises(DataError, match="no rows"):
        read_diabetes(diabetes_csv(tmp_path / "empty.csv", []))
    with pytest.raises(DataError, match="every row"):
        read_diabetes(diabetes_csv(tmp_path / "dead.csv", [{"discharge_disposition_id": "11"}]))
