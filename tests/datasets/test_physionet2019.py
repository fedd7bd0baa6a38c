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
