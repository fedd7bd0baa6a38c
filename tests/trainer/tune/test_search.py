from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tests.support.synthetic_cohort import QUICK, learnable_file
from trainer.errors import InputError, ResumeError
from trainer.fit import fit
from trainer.progress import Reporter
from trainer.training.checkpoint import Epoch, Run
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels
from trainer.tune import search as tuning
from trainer.tune.search import tune
from trainer.tune.space import SPACE, chosen_knobs
from trainer.tune.trials import Search, Trial

QUIET = Reporter(Console(quiet=True))
RATES = chosen_knobs(["learning_rate", "encoder_dropout"])[0]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def searched(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Path]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("search")
    return tune([data], out, QUICK, reporter=QUIET, knobs=RATES, n_trials=3), out


def trial(number: int, score: float | None, state: str = "complete", **knobs: Any) -> Trial:
    half = None if score is None else score / 2
    return Trial(number, state, score, half, half, 3, 1.0, knobs)


def test_the_first_trial_is_the_recipe_to_be_beaten(
    searched: tuple[Search, Path], data: Path, tmp_path: Path
) -> None:
    search, _ = searched
    assert [each.number for each in search.trials] == [0, 1, 2]
    first = search.trials[0]
    assert first.knobs == {knob.name: getattr(QUICK, knob.name) for knob in RATES}
    assert search.first is first
    fitted = fit([data], tmp_path, QUICK, reporter=QUIET, n_bootstrap=0)
    best = fitted.run.history[fitted.run.best_epoch - 1]
    assert first.score == best["validation_score"]
    assert first.utility == best["validation_utility"]


def test_other_trials_try_other_values_within_the_space(searched: tuple[Search, Path]) -> None:
    search, _ = searched
    for each in search.trials[1:]:
        assert each.knobs != search.trials[0].knobs
        assert all(knob.holds(replace(QUICK, **each.knobs)) for knob in RATES)
    assert search.trials[1].knobs != search.trials[2].knobs


def test_a_second_call_goes_on_and_shares_the_teacher(
    searched: tuple[Search, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, first_out = searched
    out = tmp_path / "copy"
    out.mkdir()
    for file in first_out.iterdir():
        (out / file.name).write_bytes(file.read_bytes())

    def never(*_: object) -> SoftLabels:
        raise AssertionError("the soft labels are there already")

    monkeypatch.setattr(tuning, "fit_teacher", never)
    after = tune([data], out, QUICK, reporter=QUIET, knobs=RATES, n_trials=2)
    assert after.trials[:3] == before.trials
    assert [each.number for each in after.trials] == [0, 1, 2, 3, 4]
    drawn = [tuple(each.knobs.values()) for each in after.trials]
    assert len(set(drawn)) == 5


def test_a_search_of_something_else_is_refused(searched: tuple[Search, Path], data: Path) -> None:
    _, out = searched
    for base, knobs, what in (
        (replace(QUICK, epochs=2), RATES, "recipe"),
        (QUICK, RATES[:1], "knobs"),
    ):
        with pytest.raises(ResumeError, match=f"another {what}"):
            tune([data], out, base, reporter=QUIET, knobs=knobs, n_trials=1)


def test_tables_and_pictures(searched: tuple[Search, Path], tmp_path: Path) -> None:
    search, _ = searched
    tuning.write(search, tmp_path)
    best = json.loads((tmp_path / "best.json").read_text())
    assert search.best is not None
    assert best["best"]["number"] == search.best.number
    assert best["best"]["score"] == max(each.score or 0 for each in search.trials)
    assert best["n_complete"] == 3
    assert "flatters" in best["caution"]
    options = best["set"].removeprefix("--set ").split(" --set ")
    recipe, wrong = Recipe().changed(options)
    assert not wrong
    assert recipe == replace(QUICK, **search.best.knobs)
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [0, 1, 2]
    assert float(rows[1]["learning_rate"]) == search.trials[1].knobs["learning_rate"]
    assert sum(search.importances.values()) == pytest.approx(1)
    for picture in ("history.png", "importance.png"):
        assert (tmp_path / picture).stat().st_size > 5000


Scores = Callable[[int, int], float]


def _played(monkeypatch: pytest.MonkeyPatch, score: Scores) -> None:
    """Training that takes no time: ``score`` of the trial, as they come, and the epoch."""
    begun = 0

    def train(*_: object, report: Callable[[Epoch], None], **__: object) -> Run:
        nonlocal begun
        begun += 1
        history: list[Epoch] = []
        for epoch in range(1, 5):
            now = score(begun - 1, epoch)
            history.append(
                {
                    "epoch": epoch,
                    "validation_score": now,
                    "validation_utility": now - 0.8,
                    "validation_auroc": 0.8,
                }
            )
            report(history[-1])
        return Run({}, {}, {}, best_epoch=4, history=history)

    monkeypatch.setattr(tuning, "train", train)


def test_a_trial_that_falls_behind_is_cut_short(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _played(monkeypatch, lambda n, epoch: 1.2 + epoch / 100 - (0.5 if n == 6 else 0))
    said = io.StringIO()
    listening = Reporter(Console(file=said, width=1000))
    search = tune([data], tmp_path, QUICK, reporter=listening, knobs=RATES, n_trials=8)
    assert [each.state for each in search.trials] == [*["complete"] * 6, "pruned", "complete"]
    cut = search.trials[6]
    assert (cut.score, cut.epochs) == (None, tuning.WARM_UP_EPOCHS)
    assert "trial 6: pruned after 2 epochs" in said.getvalue()
    assert cut not in search.complete
    tuning.write(search, tmp_path)
    assert not search.importances, "equal scores depend on nothing"
    assert not (tmp_path / "importance.png").exists()


def test_ctrl_c_keeps_what_is_finished_and_the_first_recipe_is_tried_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(at: int) -> Scores:
        def score(n: int, epoch: int) -> float:
            if (n, epoch) == (at, 2):
                raise KeyboardInterrupt
            return 1.2 + n / 10

        return score

    _played(monkeypatch, interrupted(0))
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=3)
    assert [each.state for each in search.trials] == ["fail"]
    assert search.verdict() == "no trial is complete yet"
    _played(monkeypatch, interrupted(1))
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=3)
    assert [each.state for each in search.trials] == ["fail", "complete", "fail"]
    assert search.first is search.trials[1]
    tuning.write(search, tmp_path)
    assert json.loads((tmp_path / "best.json").read_text())["best"]["number"] == 1


def test_time_that_is_up_begins_no_further_trial(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _played(monkeypatch, lambda n, _: 1.2 + n / 10)
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=5, timeout_s=1e-6)
    assert len(search.trials) < 5


def test_a_search_that_was_killed_in_the_middle_of_a_line_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _played(monkeypatch, lambda n, _: 1.2 + n / 10)
    tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
    with (tmp_path / tuning.JOURNAL).open("a") as journal:
        journal.write('{"op_code":4,"worker_id":"')
    for n in (2, 3):  # the second reads what the first wrote after the cut
        search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
        assert [each.state for each in search.trials] == ["complete"] * n


@pytest.mark.parametrize("content", ["rubbish\n", "[1]\n", '{"a": 1}\n', "no line at all"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    data: Path, tmp_path: Path, content: str
) -> None:
    file = tmp_path / tuning.JOURNAL
    file.write_text(content)
    with pytest.raises(ResumeError, match="no journal of a search"):
        tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
    assert file.read_text().startswith(content)


def test_without_optuna_it_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"vigil-icu\[train\]"):
        tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)


def test_the_space_holds_the_shipped_recipe_and_only_recipes() -> None:
    for knob in SPACE:
        assert knob.holds(Recipe()), knob.name
        for end in (knob.low, knob.high):
            recipe, wrong = Recipe().changed([f"{knob.name}={end:g}"])
            assert not [*wrong, *recipe.problems()], knob.name
    assert not any(knob.of_teacher for knob in chosen_knobs(None)[0])


def test_the_verdict_says_by_how_much() -> None:
    base = Recipe()
    first, worse = trial(0, 1.25, hidden=64), trial(1, 1.24, hidden=32)
    cut, better = trial(2, None, "pruned", hidden=16), trial(3, 1.27, hidden=96)
    nothing = Search(base, (first, worse, cut), {}).verdict()
    assert nothing == "nothing was above the recipe to be beaten (1.2500, best of 2)"
    found = Search(base, (first, worse, cut, better), {})
    assert "trial 3 is 0.0200 above" in found.verdict()
    assert "best of 3" in found.verdict()
    assert "has no score" in Search(base, (better,), {}).verdict()
    assert found.options(first) == ""
    assert found.options(better) == "--set hidden=96"
