from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.tiny_families import NOTHING, RIVALS
from trainer import cli
from trainer.compare import families
from trainer.compare.report import plots
from trainer.fit import fit
from trainer.progress import Reporter


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "THREADS"):
        monkeypatch.delenv(f"TRAINER_{name}", raising=False)


def compare(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", "compare", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_prints_the_table_and_says_where_the_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    data, fitted, out = learnable_file(tmp_path, 80), tmp_path / "fit", tmp_path / "out"
    recipe = replace(QUICK, reading_epochs=1, epochs=1, forecast_epochs=0)
    fit([data], fitted, recipe, reporter=Reporter(Console(quiet=True)), n_bootstrap=0)
    monkeypatch.setattr(families, "everybody", lambda: RIVALS)
    monkeypatch.setattr(plots, "draw", lambda *_: [])
    words = ("--data", data, "--out", out, "--model", fitted / "bundle", "--bootstrap", 5)
    assert compare(monkeypatch, *words, "--only", "prevalence", "--threads", 1) == 0
    told = capsys.readouterr()
    assert "final LSTM" in told.out
    assert NOTHING.name in told.out
    assert str(out) in told.out
    assert "prevalence: validation utility" in told.err
    assert (out / "comparison.md").is_file()
    assert compare(monkeypatch, *words, "--only", "nobody") == 2
    told = capsys.readouterr()
    assert "--only nobody: no such model" in told.err
    assert "Traceback" not in told.err


def test_all_faults_are_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = ("--data", tmp_path / "none", "--model", tmp_path, "--out", tmp_path / "file")
    assert compare(monkeypatch, *words) == 2
    told = capsys.readouterr().err
    for fault in ("there is no such file", "no model bundle", "is a file, not a folder"):
        assert fault in told


def test_what_is_not_installed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(families, "find_spec", lambda name: None if name == "sklearn" else name)
    data = learnable_file(tmp_path, 30)
    assert compare(monkeypatch, "--data", data, "--out", tmp_path) == 2
    assert "needs scikit-learn: pip install" in capsys.readouterr().err


def test_help_comes_without_loading_what_computes() -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = ('torch', 'matplotlib', 'sklearn', 'lightgbm')\n"
        "sys.exit(sum(name in sys.modules for name in slow))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "compare", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--only" in done.stdout
