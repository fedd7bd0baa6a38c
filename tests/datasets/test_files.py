from __future__ import annotations

from pathlib import Path

import pytest

from streamer.datasets.cohort import DataError
from streamer.datasets.physionet2019 import read_2019
from tests.support.physionet_files import (
    TWO_STAYS,
)
from tests.support.synthetic_stays import write_parquet, write_psv


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
