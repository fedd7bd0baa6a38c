"""Small files in the layouts of PhysioNet 2012 and 2019, for the tests of their readers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.paths import DATA
from tests.support.synthetic_stays import stay, write_parquet, write_psv

needs_public_data = pytest.mark.skipif(not DATA.is_dir(), reason="the PhysioNet files are not here")


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


def written_2019(folder: Path, layout: str) -> Path:
    if layout == "parquet":
        return write_parquet(folder / "both.parquet", TWO_STAYS)
    for name, rows in TWO_STAYS.items():
        write_psv(folder / f"training_set{'AB'[int(name[1])]}" / f"{name}.psv", rows)
    return folder


RECORD_2012 = """Time,Parameter,Value
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


def texts_2012(folder: Path, record: str = RECORD_2012) -> Path:
    (folder / "132539.txt").write_text(record)
    (folder / "Outcomes-a.txt").write_text("RecordID,SAPS-I\n132539,6\n")
    return folder


def parquet_2012(file: Path, record: str = RECORD_2012) -> Path:
    cells = [row.split(",") for row in record.splitlines()[1:]]
    table = {
        "RecordID": pa.array([132539] * len(cells), pa.int32()),
        "Time": pa.array([cell[0] for cell in cells]).dictionary_encode(),
        "Parameter": pa.array([cell[1] for cell in cells]).dictionary_encode(),
        "Value": pa.array([float(cell[2]) for cell in cells]),
    }
    pq.write_table(pa.table(table), file)
    return file
