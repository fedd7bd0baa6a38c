from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.example_files import (
    diabetes_csv,
    records_2012,
)


def test_the_command_prints_the_reading(trainer: Any, tmp_path: Path) -> None:
    words = ("--out", tmp_path, "--sequences", 32, "--epochs", 1)
    result = trainer("example", "next-number", *words)
    assert result.code == 0
    assert result.out.startswith((tmp_path / "reading.md").read_text())
    assert f"figure: {tmp_path / 'next-number.png'}" in result.out


def test_all_faults_are_reported_at_once(trainer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("--out", tmp_path / "file", "--data", tmp_path / "none", "--set", "size=3")
    result = trainer("example", "mortality", *words)
    assert result.code == 2
    for fault in ("--data", "--outcomes is missing", "is a file, not a folder", "no knob size"):
        assert fault in result.err
    result = trainer(
        "example", "readmission", "--out", tmp_path / "o", "--data", tmp_path / "none.csv"
    )
    assert result.code == 2
    assert "there is no such file" in result.err


def test_a_wrong_file_is_rejected(trainer: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("a,b\n1,2\n")
    result = trainer("example", "readmission", "--out", tmp_path / "o", "--data", file)
    assert result.code == 2
    assert "missing columns encounter_id" in result.err
    few = diabetes_csv(tmp_path / "few.csv", [{}])
    result = trainer("example", "readmission", "--out", tmp_path / "o", "--data", few)
    assert result.code == 2
    assert "give more patients" in result.err
    data, _ = records_2012(tmp_path, 3)
    result = trainer(
        "example", "mortality", "--out", tmp_path / "o", "--data", data, "--outcomes", file
    )
    assert result.code == 2
    assert "missing columns RecordID" in result.err
