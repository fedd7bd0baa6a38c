from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.tiny_families import NOTHING, RIVALS
from trainer.compare import families
from trainer.compare.report import plots
from trainer.fit import fit
from trainer.progress import Reporter


def test_the_command_prints_the_table_and_the_folder_of_the_page(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    data, fitted, out = learnable_file(tmp_path, 80), tmp_path / "fit", tmp_path / "out"
    recipe = replace(QUICK, reading_epochs=1, epochs=1, forecast_epochs=0)
    with drawing_nothing():
        fit([data], fitted, recipe, reporter=Reporter(Console(quiet=True)), n_bootstrap=0)
    monkeypatch.setattr(families, "everybody", lambda: RIVALS)
    monkeypatch.setattr(plots, "draw", lambda *_: [])
    words = ("--data", data, "--out", out, "--model", fitted / "bundle", "--bootstrap", 5)
    result = trainer("compare", *words, "--only", "prevalence", "--threads", 1)
    assert result.code == 0
    assert "final LSTM" in result.out
    assert NOTHING.name in result.out
    assert str(out) in result.out
    assert "prevalence: validation utility" in result.err
    assert (out / "comparison.md").is_file()
    result = trainer("compare", *words, "--only", "nobody")
    assert result.code == 2
    assert "--only nobody: no such model" in result.err
    assert "Traceback" not in result.err


def test_all_faults_are_reported_at_once(trainer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("--data", tmp_path / "none", "--model", tmp_path, "--out", tmp_path / "file")
    result = trainer("compare", *words)
    assert result.code == 2
    for fault in ("there is no such file", "no model bundle", "is a file, not a folder"):
        assert fault in result.err


def test_a_missing_package_is_named(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "find_spec", lambda name: None if name == "sklearn" else name)
    data = learnable_file(tmp_path, 30)
    result = trainer("compare", "--data", data, "--out", tmp_path)
    assert result.code == 2
    assert "needs scikit-learn: pip install" in result.err
