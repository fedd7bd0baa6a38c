from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamer.core.variables import INDEX, VARIABLES
from streamer.datasets.cohort import NO_LABEL, Cohort, DataError
from streamer.datasets.detect import read_recordings
from streamer.datasets.physionet2012 import read_2012
from streamer.datasets.physionet2012_rows import Records
from streamer.datasets.physionet2019 import read_2019
from tests.support.paths import DATA
from tests.support.synthetic_stays import COLUMNS, stay, write_parquet, write_psv

real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the PhysioNet files are not here")

TWO_STAYS = {
    "p000001": stay(
        3,
        context={"Age": 83.14, "Gender": 0, "Unit1": 1, "Unit2": 0, "HospAdmTime": -0.03},
        values={1: {"HR": 97, "Temp": 36.6, "FiO2": 21}, 2: {"Platelets": 1e6, "EtCO2": -50}},
    ),
    "p100002": stay(
        2, first_positive=1, first_hour=5, context={"Unit1": 0, "Unit2": 1, "HospAdmTime": 23.99}
    ),
}


def written(folder: Path, layout: str) -> Path:
    if layout == "parquet":
        return write_parquet(folder / "both.parquet", TWO_STAYS)
    for name, rows in TWO_STAYS.items():
        write_psv(folder / f"training_set{'AB'[int(name[1])]}" / f"{name}.psv", rows)
    return folder


@pytest.mark.parametrize("layout", ["psv", "parquet"])
def test_both_layouts_give_the_values_as_charted(tmp_path: Path, layout: str) -> None:
    cohort = read_2019([written(tmp_path, layout)])
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


def test_psv_of_spreadsheets_reads_the_same(tmp_path: Path) -> None:
    plain = read_2019([write_psv(tmp_path / "a" / "p000001.psv", TWO_STAYS["p000001"])])
    content = (tmp_path / "a" / "p000001.psv").read_bytes()
    odd = tmp_path / "b" / "p000001.psv"
    odd.parent.mkdir()
    odd.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n\r\n").replace(b"NaN", b""))
    again = read_2019([odd])
    np.testing.assert_array_equal(again.values, plain.values)
    assert again.label.tolist() == plain.label.tolist()


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    here = write_psv(tmp_path / "a" / "p000001.psv", TWO_STAYS["p000001"])
    turned = write_psv(tmp_path / "b" / "p000002.psv", TWO_STAYS["p000001"], COLUMNS[::-1])
    cohort = read_2019([here, turned])
    np.testing.assert_array_equal(cohort.values[:3], cohort.values[3:])


def test_many_small_files_report_progress(tmp_path: Path) -> None:
    for i in range(1203):
        write_psv(tmp_path / f"p{i:06}.psv", stay(1, values={0: {"HR": 60 + i % 40}}))
    seen: list[tuple[int, int]] = []
    cohort = read_2019([tmp_path], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(500, 1203), (1000, 1203), (1203, 1203)]
    assert cohort.values[:, INDEX["heart_rate"]].tolist() == [60 + i % 40 for i in range(1203)]


def test_label_may_be_absent_only_where_it_is_not_needed(tmp_path: Path) -> None:
    file = write_psv(tmp_path / "p000001.psv", TWO_STAYS["p000001"], COLUMNS[:-1])
    with pytest.raises(DataError, match=r"p000001\.psv: missing column SepsisLabel"):
        read_2019([file])
    assert read_2019([file], need_label=False).label.tolist() == [NO_LABEL] * 3


def broken(change: Callable[[list[str]], None]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = write_psv(folder / "p000001.psv", stay(3, values={1: {"HR": 97}}))
        lines = file.read_text().splitlines()
        change(lines)
        file.write_text("\n".join(lines) + "\n")
        return folder

    return write


def line(number: int, old: str, new: str) -> Callable[[Path], Path]:
    def change(lines: list[str]) -> None:
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, 1)

    return broken(change)


BAD_PSV = {
    "no number": (line(3, "97", "high"), r"p000001\.psv, line 3: HR is 'high', not a number"),
    "no number, Python's": (line(3, "97", "9_7"), r"line 3: HR is '9_7', not a number"),
    "a cell too few": (line(4, "NaN|", ""), r"p000001\.psv, line 4: 40 cells where .* has 41"),
    "column renamed": (line(1, "HCO3", "Bicarb"), r"p000001\.psv: missing column HCO3"),
    "hour twice": (line(4, "|3|0", "|2|0"), r"line 4: ICULOS 2 follows 2"),
    "hour left out": (line(4, "|3|0", "|4|0"), r"line 4: ICULOS 4 follows 2"),
    "hour zero": (line(2, "|1|0", "|0|0"), r"line 2: ICULOS is 0"),
    "hour missing": (line(3, "|2|0", "|NaN|0"), r"line 3: ICULOS is nan"),
    "label 2": (line(4, "|3|0", "|3|2"), r"line 4: SepsisLabel is 2"),
    "only a header": (broken(lambda lines: lines.__delitem__(slice(1, None))), "no rows"),
    "empty": (broken(lambda lines: lines.clear()), "no rows"),
}


@pytest.mark.parametrize("case", BAD_PSV)
def test_bad_psv_is_refused_with_file_and_line(tmp_path: Path, case: str) -> None:
    write, message = BAD_PSV[case]
    with pytest.raises(DataError, match=message):
        read_2019([write(tmp_path)])


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.psv or \.parquet file in this folder"):
        read_2019([tmp_path])
    with pytest.raises(DataError, match="no such file"):
        read_2019([tmp_path / "away"])
    with pytest.raises(DataError, match="no data given"):
        read_2019([])
    (tmp_path / "notes.csv").write_text("x")
    with pytest.raises(DataError, match=r"notes\.csv: expected a \.psv"):
        read_2019([tmp_path / "notes.csv"])
    (tmp_path / "bad.parquet").write_text("x")
    with pytest.raises(DataError, match=r"bad\.parquet: not a readable parquet"):
        read_2019([tmp_path / "bad.parquet"])


def test_a_patient_in_two_files_is_refused(tmp_path: Path) -> None:
    rows = TWO_STAYS["p000001"]
    write_psv(tmp_path / "a" / "p000001.psv", rows)
    write_psv(tmp_path / "b" / "p000001.psv", rows)
    with pytest.raises(DataError, match=r"p000001 is given twice: .*a.p000001.* and .*b.p000001"):
        read_2019([tmp_path])
    write_parquet(tmp_path / "c.parquet", TWO_STAYS)
    with pytest.raises(DataError, match=r"p000001 is given twice: .*p000001\.psv and .*c\.parquet"):
        read_2019([tmp_path / "a", tmp_path / "c.parquet"])


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


def test_take_keeps_stays_whole_and_in_the_order_asked_for(tmp_path: Path) -> None:
    cohort = read_2019([written(tmp_path, "parquet")])
    turned = cohort.take([1, 0])
    assert turned.patient_ids == ["p100002", "p000001"]
    assert turned.iculos.tolist() == [5, 6, 1, 2, 3]
    np.testing.assert_array_equal(turned.values[turned.rows(1)], cohort.values[cohort.rows(0)])
    assert cohort.take([]).n_rows == 0


RECORD = """Time,Parameter,Value
00:00,RecordID,132539
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,-1
00:07,HR,73
00:07,NISysABP,147
00:07,SysABP,150
00:07,Urine,900
00:07,,-1
00:37,Temp,-1
00:37,HR,77
00:37,HR,79
47:59,K,4.1
"""


def texts(folder: Path, record: str = RECORD) -> Path:
    (folder / "132539.txt").write_text(record)
    (folder / "Outcomes-a.txt").write_text("RecordID,SAPS-I\n132539,6\n")
    return folder


def as_parquet(file: Path, record: str = RECORD) -> Path:
    cells = [row.split(",") for row in record.splitlines()[1:]]
    table = {
        "RecordID": pa.array([132539] * len(cells), pa.int32()),
        "Time": pa.array([cell[0] for cell in cells]).dictionary_encode(),
        "Parameter": pa.array([cell[1] for cell in cells]).dictionary_encode(),
        "Value": pa.array([float(cell[2]) for cell in cells]),
    }
    pq.write_table(pa.table(table), file)
    return file


@pytest.mark.parametrize("layout", ["txt", "parquet"])
def test_records_of_2012(tmp_path: Path, layout: str) -> None:
    path = texts(tmp_path) if layout == "txt" else as_parquet(tmp_path / "set.parquet")
    records = read_2012([path])
    assert records.patient_ids == ["132539"]
    charted = [
        (minute, VARIABLES[variable].name, value)
        for minute, variable, value in zip(
            records.minute.tolist(), records.variable.tolist(), records.value.tolist(), strict=True
        )
    ]
    # The arterial line counts before the cuff; of two values in a minute the greater one.
    potassium = float(np.float32(4.1))
    assert charted == [
        (7, "heart_rate", 73),
        (7, "sbp", 150),
        (37, "heart_rate", 79),
        (2879, "potassium", potassium),
    ]
    assert (records.age[0], records.sex[0], records.icu_type[0]) == (54, "female", "surgical")


BAD_RECORDS = {
    "time": ("00:37,Temp,-1", "0h37,Temp,-1", r"132539\.txt, line 13: Time is '0h37'"),
    "value": ("47:59,K,4.1", "47:59,K,4,1", r"132539\.txt, line 16: expected three cells"),
    "number": ("47:59,K,4.1", "47:59,K,four", r"132539\.txt, line 16: Value is 'four'"),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_bad_records_are_refused_with_file_and_line(tmp_path: Path, case: str) -> None:
    good, bad, message = BAD_RECORDS[case]
    assert good in RECORD
    with pytest.raises(DataError, match=message):
        read_2012([texts(tmp_path, RECORD.replace(good, bad))])


def test_other_texts_than_records_are_refused_when_named(tmp_path: Path) -> None:
    texts(tmp_path)
    with pytest.raises(DataError, match=r"Outcomes-a\.txt, line 1: expected the header"):
        read_2012([tmp_path / "Outcomes-a.txt"])
    (tmp_path / "132539.txt").unlink()
    with pytest.raises(DataError, match="no file with the header Time,Parameter,Value"):
        read_2012([tmp_path])


def test_read_recordings_detects_the_data_set(tmp_path: Path) -> None:
    old, new = tmp_path / "2012", tmp_path / "2019"
    old.mkdir()
    new.mkdir()
    texts(old)
    written(new, "psv")
    (new / "LICENSE.txt").write_text("CC BY 4.0\n")
    assert isinstance(read_recordings([old]), Records)
    assert isinstance(read_recordings([as_parquet(tmp_path / "set.parquet")]), Records)
    assert isinstance(read_recordings([new]), Cohort)
    with pytest.raises(DataError, match="mixed"):
        read_recordings([old, new])


@real_data
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


@real_data
def test_the_public_records_of_2012() -> None:
    records = read_2012([DATA / "cinc2012"])
    assert len(records) == 4000
    assert (records.minute.max(), records.variable.min() >= 0) == (48 * 60, True)
    assert set(records.icu_type.tolist()) == {"medical", "surgical", "other"}
