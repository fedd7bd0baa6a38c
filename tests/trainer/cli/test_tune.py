from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_a_search_ends_with_a_line_for_fit(trainer: Any, data: Path, tmp_path: Path) -> None:
    words = ["--set", "epochs=1", "--set", "teacher_share=0", "--knob", "hidden", "--threads", "1"]
    result = trainer("tune", "--data", data, "--out", tmp_path, "--trials", "2", *words)
    assert result.code == 0, result.err
    assert "trial 1: score" in result.err
    assert "the baseline recipe" in result.out
    best = json.loads((tmp_path / "best.json").read_text())
    assert result.out.endswith(f"\ntrainer fit {best['set']}\n")
    assert "--set epochs=1" in best["set"]


def test_a_limit_that_is_none_is_refused(trainer: Any, data: Path, tmp_path: Path) -> None:
    for limit in ("0", "1.5", "6d", "h", "1.2.3m"):
        result = trainer("tune", "--data", data, "--out", tmp_path, "--trials", limit)
        assert result.code == 2
        assert f"--trials {limit}: give a whole number, or a time" in result.err
