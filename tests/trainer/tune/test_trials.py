from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainer.training.recipe import Recipe
from trainer.tune.trials import Search, Trial


def make_trial(number: int, score: float | None, state: str = "complete", **knobs: Any) -> Trial:
    half = None if score is None else score / 2
    return Trial(number, state, score, half, half, 3, 1.0, knobs)


def test_the_verdict_says_by_how_much() -> None:
    base = Recipe()
    first, worse = make_trial(0, 1.25, hidden=64), make_trial(1, 1.24, hidden=32)
    cut = make_trial(2, None, "pruned", hidden=16)
    better = make_trial(3, 1.27, hidden=96)
    nothing = Search(base, (first, worse, cut), {}).verdict()
    assert nothing == "no trial scored above the baseline recipe (1.2500, best of 2)"
    search = Search(base, (first, worse, cut, better), {})
    assert "trial 3 is 0.0200 above" in search.verdict()
    assert "best of 3" in search.verdict()
    assert "has no score" in Search(base, (better,), {}).verdict()
    assert search.options(first) == ""
    assert search.options(better) == "--set hidden=96"


def test_a_trial_is_one_line_of_the_log() -> None:
    assert make_trial(2, 1.25).line() == "trial 2: score 1.2500 (utility 0.6250, AUROC 0.6250), 1 s"
    assert make_trial(3, None, "pruned").line() == "trial 3: pruned after 3 epochs, 1 s"


def test_tables_of_an_unfinished_search_have_no_best_trial(tmp_path: Path) -> None:
    Search(Recipe(), (make_trial(0, None, "fail", hidden=16),), {}).write(tmp_path)
    summary = json.loads((tmp_path / "best.json").read_text())
    assert (summary["best"], summary["set"], summary["n_trials"]) == (None, None, 1)
    assert summary["verdict"] == "no trial is complete yet"
    assert (tmp_path / "trials.csv").read_text().splitlines() == [
        "number,state,score,utility,auroc,epochs,seconds,hidden",
        "0,fail,,,,3,1.0,16",
    ]
