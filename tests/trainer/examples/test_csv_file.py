from __future__ import annotations

from pathlib import Path

import pytest

from streamer.datasets.cohort import DataError
from trainer.examples.csv_file import read_columns


def test_cells_stay_text_and_none_is_null(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,code,more\n007,,x\n8,NA,y\n")
    table = read_columns(file, ("id", "code"), "table", "a table")
    assert table["id"].to_pylist() == ["007", "8"]
    assert table["code"].to_pylist() == ["", "NA"]


def test_a_file_that_cannot_be_read_is_refused_with_its_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: not a readable table"):
        read_columns(tmp_path / "none.csv", ("id",), "table", "a table")


def test_missing_columns_are_named_with_the_expected_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id\n1\n")
    with pytest.raises(DataError, match=r"missing columns code, age; expected outcomes\.csv"):
        read_columns(file, ("id", "code", "age"), "table", "outcomes.csv")
