from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2012 import read_2012
from tests.support.paths import DATA
from tests.support.physionet_files import (
    RECORD_2012,
    needs_public_data,
    parquet_2012,
    texts_2012,
)


@pytest.mark.parametrize("layout", ["txt", "parquet"])
def test_records_of_2012(tmp_path: Path, layout: str) -> None:
    path = texts_2012(tmp_path) if layout == "txt" else parquet_2012(tmp_path / "set.parquet")
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
    assert good in RECORD_2012
    with pytest.raises(DataError, match=message):
        read_2012([texts_2012(tmp_path, RECORD_2012.replace(good, bad))])


def test_other_texts_than_records_are_refused_when_named(tmp_path: Path) -> None:
    texts_2012(tmp_path)
    with pytest.raises(DataError, match=r"Outcomes-a\.txt, line 1: expected the header"):
        read_2012([tmp_path / "Outcomes-a.txt"])
    (tmp_path / "132539.txt").unlink()
    with pytest.raises(DataError, match="no file with the header Time,Parameter,Value"):
        read_2012([tmp_path])


@needs_public_data
def test_the_public_records_of_2012() -> None:
    records = read_2012([DATA / "cinc2012"])
    assert len(records) == 4000
    assert (records.minute.max(), records.variable.min() >= 0) == (48 * 60, True)
    assert set(records.icu_type.tolist()) == {"medical", "surgical", "other"}
