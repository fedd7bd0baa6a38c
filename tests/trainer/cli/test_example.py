from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.example_files import (
    diabetes_csv,
    records_2012,
)
from trainer import cli


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trainer", "example", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def test_the_command_prints_the_reading(example: Any, tmp_path: Path) -> None:
    code, out, _ = example("next-number", "--out", tmp_path, "--sequences", 32, "--epochs", 1)
    assert code == 0
    assert out.startswith((tmp_path / "reading.md").read_text())
    assert f"figure: {tmp_path / 'next-number.png'}" in out


def test_all_faults_are_reported_at_once(example: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("--out", tmp_path / "file", "--data", tmp_path / "none", "--set", "size=3")
    code, _, err = example("mortality", *words)
    assert code == 2
    for fault in ("--data", "--outcomes is missing", "is a file, not a folder", "no knob size"):
        assert fault in err
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", tmp_path / "none.csv")
    assert (code, "there is no such file" in err) == (2, True)


def test_a_wrong_file_is_refused(example: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", file)
    assert (code, "missing columns encounter_id" in err) == (2, True)
    few = diabetes_csv(tmp_path / "few.csv", [{}])
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", few)
    assert (code, "give more patients" in err) == (2, True)
    data, _ = records_2012(tmp_path, 3)
    code, _, err = example("mortality", "--out", tmp_path / "o", "--data", data, "--outcomes", file)
    assert (code, "missing columns RecordID" in err) == (2, True)


@pytest.mark.parametrize("name", ["next-number", "drug-effects", "readmission", "mortality"])
def test_help_teaches_without_loading_what_computes(name: str) -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'matplotlib', 'lightgbm')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "example", name, "--help"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"trainer example {name}" in done.stdout
