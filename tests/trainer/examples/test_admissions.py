from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.datasets.cohort import DataError
from tests.support.example_files import diabetes_csv, many_admissions
from trainer.examples.admissions import (
    DAYS,
    FOLLOWED_DAYS,
    GENERATED,
    MOST,
    VULNERABLE,
    Admissions,
    generate,
    rate,
)
from trainer.examples.diabetes_file import LEFT_OUT, NAMES, read_diabetes
from trainer.examples.readmission import Inputs, with_history


@pytest.fixture(scope="module")
def cohort() -> Admissions:
    return generate(4000, np.random.default_rng(0))


def column(cohort: Admissions, name: str) -> np.ndarray:
    return cohort.x[:, cohort.names.index(name)]


def test_what_is_known_of_the_last_time_is_its_label(cohort: Admissions) -> None:
    later = np.flatnonzero(cohort.place > 0)
    back = column(cohort, "back within 30 days last time")
    np.testing.assert_array_equal(back[later], cohort.readmitted[later - 1])
    days = np.exp(column(cohort, "log days since the last discharge"))
    np.testing.assert_array_equal(days[later] <= DAYS, cohort.readmitted[later - 1])
    first = cohort.place == 0
    assert np.isnan(days[first]).all()
    assert not back[first].any()


def test_a_patient_is_followed_as_long_as_is_said(cohort: Admissions) -> None:
    lengths = np.diff(cohort.starts)
    assert lengths.min() >= 1
    assert lengths.max() <= MOST
    days = np.exp(np.nan_to_num(column(cohort, "log days since the last discharge"), nan=-np.inf))
    assert np.add.reduceat(days, cohort.starts[:-1]).max() <= FOLLOWED_DAYS


def test_the_rate_is_the_documented_one() -> None:
    zero, no, yes = np.zeros(1), np.zeros(1, bool), np.ones(1, bool)
    plain = rate(zero, zero, zero, no, np.array([65.0]))
    np.testing.assert_allclose(plain, np.exp(-7))
    np.testing.assert_allclose(rate(zero, zero, zero, yes, np.array([65.0])) / plain, np.exp(1.5))
    np.testing.assert_allclose(
        rate(zero, zero + 1, zero, no, np.array([65.0])) / plain, np.exp(0.8)
    )


def test_an_infection_is_felt_after_the_next_discharges_too(cohort: Admissions) -> None:
    infected = column(cohort, "severe infection").astype(bool)
    since = np.full(len(infected), 99)
    for row in range(len(infected)):
        if infected[row]:
            since[row] = 0
        elif cohort.place[row] > 0:
            since[row] = since[row - 1] + 1
    vulnerable = since < VULNERABLE
    last = (since > 0) & vulnerable
    assert cohort.readmitted[last].mean() > 2 * cohort.readmitted[~vulnerable].mean()


def test_history_looks_back_alone() -> None:
    names, nan = ("a", "b"), np.nan
    x = np.array([[1.0, nan], [3.0, 4.0], [8.0, 6.0], [5.0, 7.0]])
    cohort = Admissions(["p", "q"], np.array([0, 3, 4]), names, x, np.zeros(4, bool))
    expected: list[list[float]] = [
        [1, nan, 1, nan, nan, nan],
        [3, 4, 2, 4, 2, nan],
        [8, 6, 4, 5, 5, 2],
        [5, 7, 5, 7, nan, nan],
    ]
    np.testing.assert_allclose(with_history(cohort), expected)


def test_the_network_gets_each_admission_in_its_place(cohort: Admissions) -> None:
    part = cohort.take(np.array([5, 2]))
    inputs = Inputs.of(cohort)
    seen = inputs.sequences(part)
    lengths = np.diff(part.starts)
    np.testing.assert_array_equal(seen.lengths, lengths)
    row = int(part.starts[1])
    burden = GENERATED.index("chronic conditions")
    scaled = (part.x[row, burden] - inputs.mean[burden]) / inputs.std[burden]
    assert float(seen.x[0, 1, burden]) == pytest.approx(scaled, abs=1e-6)
    there = seen.x[0, 1, len(GENERATED) :].numpy() == 1
    np.testing.assert_array_equal(there, ~np.isnan(part.x[row, inputs.gaps]))
    assert [GENERATED[i] for i in inputs.gaps] == [
        "creatinine, mg/dL",
        "haemoglobin, g/dL",
        "sodium, mmol/L",
        "CRP, mg/L",
        "log days since the last discharge",
    ]
    assert float(seen.y[lengths[0] - 1, 0]) == part.readmitted[row - 1]


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
    found = read_diabetes(file)
    assert list(found.patient_ids) == ["100", "7"]
    assert found.starts.tolist() == [0, 3, 4]
    assert found.readmitted.tolist() == [True, False, False, False]
    assert column(found, "time_in_hospital").tolist() == [2, 3, 9, 3]
    assert column(found, "back within 30 days last time").tolist() == [0, 1, 0, 0]
    assert column(found, "admissions before").tolist() == [0, 1, 2, 0]
    assert column(found, "age").tolist() == [75, 75, 75, 5]
    assert column(found, "A1Cresult >8").tolist() == [1, 0, 1, 1]
    assert column(found, "diagnosis circulatory").tolist() == [1, 0, 1, 0]
    assert column(found, "diagnosis diabetes").tolist() == [0, 0, 0, 1]


def test_nothing_of_the_outcome_is_among_the_columns(tmp_path: Path) -> None:
    rows = many_admissions(30)
    found = read_diabetes(diabetes_csv(tmp_path / "a.csv", rows))
    last = {row["patient_nbr"]: row for row in rows}
    for row in last.values():  # the last admission of each patient
        row["readmitted"] = "NO" if row["readmitted"] == "<30" else "<30"
    again = read_diabetes(diabetes_csv(tmp_path / "b.csv", rows))
    np.testing.assert_array_equal(found.x, again.x)
    assert (found.readmitted != again.readmitted).sum() == 30
    assert not any("readmitted" in name for name in NAMES)


def test_who_died_or_went_to_a_hospice_is_left_out(tmp_path: Path) -> None:
    rows = [
        {"encounter_id": str(i), "patient_nbr": str(i), "discharge_disposition_id": code}
        for i, code in enumerate(["1", *LEFT_OUT, "3"])
    ]
    found = read_diabetes(diabetes_csv(tmp_path / "d.csv", rows))
    assert list(found.patient_ids) == ["0", str(len(rows) - 1)]


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
