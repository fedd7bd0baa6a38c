from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort


def test_data_that_cannot_be_read_is_named(trainer: Any, tmp_path: Path) -> None:
    file = tmp_path / "p1.psv"
    file.write_text("HR|Temp\n80|37\n")
    result = trainer("evaluate", "--data", file)
    assert result.code == 2
    assert "missing column" in result.err


def test_evaluate_takes_the_shipped_bundle_and_shows_a_table(trainer: Any, data: Path) -> None:
    result = trainer("evaluate", "--data", data, "--bootstrap", "5")
    assert result.code == 0, result.err
    assert bundles.load(SHIPPED).shown_id in result.out
    for words in ("hospital A", "hospital B", "AUROC, hours", "normalised utility"):
        assert words in result.out
    assert "…" not in result.out  # nothing was cut off


def test_data_may_come_from_the_environment(
    trainer: Any, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = learnable_file(tmp_path, 24, seed=1, first_id=500)
    monkeypatch.setenv("TRAINER_DATA", f"{data}:{more}")
    result = trainer("evaluate", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["n_patients"] == 104


def test_a_side_by_the_bundle_or_by_a_file(trainer: Any, data: Path, tmp_path: Path) -> None:
    result = trainer("evaluate", "--data", data, "--split", "validation", "--json")
    assert result.code == 0, result.err
    figures = json.loads(result.out)
    assert "which its calibration and thresholds were chosen on" in figures["patients"]
    file = tmp_path / "split.csv"
    names = load_cohort([data]).patient_ids
    sides = [f"{name},{'test' if i < 30 else 'train'}\n" for i, name in enumerate(names)]
    file.write_text("patient,side\n" + "".join(sides))
    words = ("evaluate", "--data", data, "--split-file", file)
    result = trainer(*words, "--split", "test", "--json")
    assert json.loads(result.out)["n_patients"] == 30
    assert trainer(*words).code == 2
