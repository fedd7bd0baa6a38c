from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import NO_LABEL, DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.paths import DATA
from tests.support.physionet_files import (
    TWO_STAYS,
    needs_public_data,
    written_2019,
)
from tests.support.synthetic_stays import COLUMNS, stay, write_parquet, write_psv


@pytest.mark.parametrize("layout", ["psv", "parquet"])
def test_both_layouts_give_the_values_as_charted(tmp_path: Path, layout: str) -> None:
    cohort = read_2019([written_2019(tmp_path, layout)])
    assert cohort.patient_ids == ["p000001", "p100002"]
    assert cohort.starts.tolist() == [0, 3, 5]
    expected = np.full((5, len(VARIABLES)), np.nan, np.float32)
    expected[1, [INDEX["heart_rate"], INDEX["temperature"], INDEX["fio2"]]] = 97, 36.6, 21
    expected[2, [INDEX["platelets"], INDEX["etco2"]]] = 1e6, -50
    np.testing.assert_array_equal(cohort.values, expected)
    assert cohort.iculos.tolist() == [1, 2, 3, 5, 6]
    assert cohort.label.tolist() == [0, 0, 0, 0, 1]
    assert cohort.septic.tolist() == [False, True]
    np.testing.assert_array_equal(cohort.age, np.array([83.14, 64.5], np.float32))
    assert cohort.sex.tolist() == ["female", "male"]
    assert cohort.icu_type.tolist() == ["medical", "surgical"]
    # 23.99 h into the ICU stay: the record of the hospital began late, never below 0.
    np.testing.assert_array_equal(
        cohort.hours_since_hospital_admission, np.array([0.03, 0], np.float32)
    )


def test_missing_context_reads_as_unknown(tmp_path: Path) -> None:
    nothing = stay(1, context={"Age": None, "Gender": None, "HospAdmTime": None})
    cohort = read_2019([write_psv(tmp_path / "p000009.psv", nothing)])
    assert (cohort.sex[0], cohort.icu_type[0]) == ("unknown", "unknown")
    assert np.isnan(cohort.age[0])
    assert np.isnan(cohort.hours_since_hospital_admission[0])


def test_label_may_be_absent_only_where_it_is_not_needed(tmp_path: Path) -> None:
    file = write_psv(tmp_path / "p000001.psv", TWO_STAYS["p000001"], COLUMNS[:-1])
    with pytest.raises(DataError, match=r"p000001\.psv: missing column SepsisLabel"):
        read_2019([file])
    assert read_2019([file], need_label=False).label.tolist() == [NO_LABEL] * 3


def test_bad_parquet_is_refused_with_file_and_row(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", TWO_STAYS)
    table = pq.read_table(file)
    pq.write_table(table.take([0, 3, 1]), file)
    with pytest.raises(DataError, match=r"x\.parquet, row 3: patient p000001 comes a second time"):
        read_2019([file])
    pq.write_table(table.drop(["MAP", "Gender"]), file)
    with pytest.raises(DataError, match=r"x\.parquet: missing columns MAP, Gender"):
        read_2019([file])
    text = pa.array(["80", None, "low", None, None])
    pq.write_table(table.set_column(table.schema.get_field_index("HR"), "HR", text), file)
    with pytest.raises(DataError, match=r"x\.parquet, row 3: HR is 'low', not a number"):
        read_2019([file])
    nobody = pa.array(["p000001", None, None, None, None])
    pq.write_table(table.set_column(0, "patient", nobody), file)
    with pytest.raises(DataError, match=r"x\.parquet, row 2: no patient"):
        read_2019([file])


@pytest.mark.parametrize("ids", ["public", "own"])
def test_the_combined_file_reads_as_the_single_ones(tmp_path: Path, ids: str) -> None:
    single = read_2019([written_2019(tmp_path / "single", "psv")])
    lines = [",".join(["", "Hour", *COLUMNS, "Patient_ID"])]
    for name, rows in TWO_STAYS.items():
        shown = str(int(name[1:])) if ids == "public" else f"mrn-{name}"
        for hour, row in enumerate(rows):
            cells = ("" if row[column] is None else str(row[column]) for column in COLUMNS)
            lines.append(",".join([str(hour), str(hour), *cells, shown]))
    file = tmp_path / "Dataset.csv"
    file.write_text("\n".join(lines) + "\n")
    combined = read_2019([file])
    expected = ["p000001", "p100002"] if ids == "public" else ["mrn-p000001", "mrn-p100002"]
    assert combined.patient_ids == expected
    np.testing.assert_array_equal(combined.values, single.values)
    np.testing.assert_array_equal(combined.label, single.label)
    np.testing.assert_array_equal(combined.iculos, single.iculos)


def test_sites_and_persons_are_read_where_a_file_has_them(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "x.parquet", TWO_STAYS)
    table = pq.read_table(file)
    for name, cells in (("site", [7, 7, 7, None, None]), ("person", ["a"] * 5)):
        table = table.append_column(name, pa.array(cells))
    pq.write_table(table, file)
    more = write_psv(tmp_path / "p000003.psv", stay(60, values={1: {"HR": 80}}))
    cohort = read_2019([file, more])
    assert cohort.patient_ids == ["p000003", "p000001", "p100002"]
    assert cohort.sites is not None
    assert cohort.sites.tolist() == ["", "7", ""]
    assert cohort.persons is not None
    assert cohort.persons.tolist() == ["", "a", "a"]
    assert cohort.take([0]).persons is not None
    pq.write_table(table.drop(["patient"]), file)
    with pytest.raises(DataError, match=r"no column of patients; name it patient, patient_id"):
        read_2019([file])


@needs_public_data
@pytest.mark.parametrize(
    ("file", "counts"),
    [("dev_A", (16_388, 636_292, 1_415, 13_544)), ("dev_B", (16_031, 609_766, 930, 8_791))],
)
def test_the_public_files_count_as_their_description_says(
    file: str, counts: tuple[int, int, int, int]
) -> None:
    cohort = read_2019([DATA / "cinc2019" / f"{file}.parquet"])
    actual = (len(cohort), cohort.n_rows, int(cohort.septic.sum()), int(cohort.label.sum()))
    assert actual == counts
