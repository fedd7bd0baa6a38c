from __future__ import annotations

from pathlib import Path

import pytest

from streamer.datasets.cohort import Cohort, DataError
from streamer.datasets.detect import read_recordings
from streamer.datasets.physionet2012_rows import Records
from tests.support.physionet_files import (
    parquet_2012,
    texts_2012,
    written_2019,
)


def test_read_recordings_detects_the_data_set(tmp_path: Path) -> None:
    old, new = tmp_path / "2012", tmp_path / "2019"
    old.mkdir()
    new.mkdir()
    texts_2012(old)
    written_2019(new, "psv")
    (new / "LICENSE.txt").write_text("CC BY 4.0\n")
    assert isinstance(read_recordings([old]), Records)
    assert isinstance(read_recordings([parquet_2012(tmp_path / "set.parquet")]), Records)
    assert isinstance(read_recordings([new]), Cohort)
    with pytest.raises(DataError, match="mixed"):
        read_recordings([old, new])
