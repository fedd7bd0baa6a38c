from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from streamer.datasets.physionet2019 import read_2019
from streamer.datasets.task import read_task
from tests.support.plain_fit import drawing_nothing
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.task_files import TASKS, write_own
from trainer.data.split import Side, side_of
from trainer.data.split_rules import ByFile
from trainer.errors import InputError, ResumeError
from trainer.fit import Stays, fit
from trainer.progress import Reporter
from trainer.training.checkpoint import Epoch, Run
from trainer.training.recipe import Recipe
from trainer.training.teacher import SoftLabels
from trainer.tune import search as search_module
from trainer.tune.search import JOURNAL, WARM_UP_EPOCHS, tune, write
from trainer.tune.space import chosen_knobs
from trainer.tune.trials import Search

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


def test_the_first_trial_is_the_baseline_recipe(
    searched: tuple[Search, Path], data: Path, tmp_path: Path
) -> None:
    search, _ = searched
    assert [trial.number for trial in search.trials] == [0, 1, 2]
    first = search.trials[0]
    assert first.knobs == {knob.name: getattr(QUICK, knob.name) for knob in RATES}
    assert search.first is first
    with drawing_nothing():
        fitted = fit([data], tmp_path, QUICK, reporter=QUIET, n_bootstrap=0)
    best = fitted.run.history[fitted.run.best_epoch - 1]
    assert first.score == best["validation_score"]
    assert first.utility == best["validation_utility"]


def test_other_trials_try_other_values_within_the_space(searched: tuple[Search, Path]) -> None:
    search, _ = searched
    for other in search.trials[1:]:
        assert other.knobs != search.trials[0].knobs
        assert all(knob.contains(replace(QUICK, **other.knobs)) for knob in RATES)
    assert search.trials[1].knobs != search.trials[2].knobs


def test_a_second_call_continues_and_shares_the_teacher(
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
        raise AssertionError("the soft labels are kept already")

    monkeypatch.setattr(search_module, "fit_teacher", never)
    after = tune([data], out, QUICK, reporter=QUIET, knobs=RATES, n_trials=2)
    assert after.trials[:3] == before.trials
    assert [trial.number for trial in after.trials] == [0, 1, 2, 3, 4]
    drawn = [tuple(trial.knobs.values()) for trial in after.trials]
    assert len(set(drawn)) == 5


def test_a_folder_with_another_search_is_rejected(
    searched: tuple[Search, Path], data: Path
) -> None:
    _, out = searched
    for base, knobs, part in (
        (replace(QUICK, epochs=2), RATES, "recipe"),
        (QUICK, RATES[:1], "knobs"),
    ):
        with pytest.raises(ResumeError, match=f"another {part}"):
            tune([data], out, base, reporter=QUIET, knobs=knobs, n_trials=1)


def test_another_split_of_the_same_stays_is_another_search(
    searched: tuple[Search, Path], data: Path
) -> None:
    _, out = searched
    turned: dict[Side, Side] = {"train": "validation", "validation": "train", "test": "test"}
    sides = {p: turned[side_of(p)] for p in read_2019([data]).patient_ids}
    stays = Stays([data], ByFile(sides, "0" * 64))
    with pytest.raises(ResumeError, match="another split"):
        tune(stays, out, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)


def test_a_task_of_ones_own_is_searched_and_another_one_rejected(tmp_path: Path) -> None:
    table = write_own(tmp_path / "own.csv", read_2019([learnable_file(tmp_path, 70)]))
    plain = replace(QUICK, teacher_share=0.0)
    task, out = read_task(TASKS / "our-icu.toml"), tmp_path / "search"
    stays = Stays([table], task=task)
    search = tune(stays, out, plain, reporter=QUIET, knobs=RATES, n_trials=1)
    assert len(search.complete) == 1
    other = Stays([table], task=task.model_copy(update={"horizons": (6, 12, 36)}))
    with pytest.raises(ResumeError, match="another task"):
        tune(other, out, plain, reporter=QUIET, knobs=RATES, n_trials=1)


def test_tables_and_pictures(searched: tuple[Search, Path], tmp_path: Path) -> None:
    search, _ = searched
    write(search, tmp_path)
    best = json.loads((tmp_path / "best.json").read_text())
    assert search.best is not None
    assert best["best"]["number"] == search.best.number
    assert best["best"]["score"] == max(trial.score or 0 for trial in search.trials)
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


def _simulate_training(monkeypatch: pytest.MonkeyPatch, score: Scores) -> None:
    """Replaces training: the validation score is ``score(trial, epoch)``, at once."""
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

    monkeypatch.setattr(search_module, "train", train)


def test_a_trial_that_falls_behind_is_cut_short(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _simulate_training(monkeypatch, lambda n, epoch: 1.2 + epoch / 100 - (0.5 if n == 6 else 0))
    log = io.StringIO()
    reporter = Reporter(Console(file=log, width=1000))
    search = tune([data], tmp_path, QUICK, reporter=reporter, knobs=RATES, n_trials=8)
    assert [trial.state for trial in search.trials] == [*["complete"] * 6, "pruned", "complete"]
    cut = search.trials[6]
    assert (cut.score, cut.epochs) == (None, WARM_UP_EPOCHS)
    assert "trial 6: pruned after 2 epochs" in log.getvalue()
    assert cut not in search.complete
    write(search, tmp_path)
    assert not search.importances, "equal scores depend on nothing"
    assert not (tmp_path / "importance.png").exists()


def test_ctrl_c_keeps_finished_trials_and_the_baseline_is_tried_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(at: int) -> Scores:
        def score(n: int, epoch: int) -> float:
            if (n, epoch) == (at, 2):
                raise KeyboardInterrupt
            return 1.2 + n / 10

        return score

    _simulate_training(monkeypatch, interrupted(0))
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=3)
    assert [trial.state for trial in search.trials] == ["fail"]
    assert search.verdict() == "no trial is complete yet"
    _simulate_training(monkeypatch, interrupted(1))
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=3)
    assert [trial.state for trial in search.trials] == ["fail", "complete", "fail"]
    assert search.first is search.trials[1]
    write(search, tmp_path)
    assert json.loads((tmp_path / "best.json").read_text())["best"]["number"] == 1


def test_no_trial_begins_after_the_timeout(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _simulate_training(monkeypatch, lambda n, _: 1.2 + n / 10)
    search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=5, timeout_s=1e-6)
    assert len(search.trials) < 5


def test_a_search_killed_in_the_middle_of_a_line_is_continued(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _simulate_training(monkeypatch, lambda n, _: 1.2 + n / 10)
    tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
    with (tmp_path / JOURNAL).open("a") as journal:
        journal.write('{"op_code":4,"worker_id":"')
    for n in (2, 3):  # the second reads what the first wrote after the cut
        search = tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
        assert [trial.state for trial in search.trials] == ["complete"] * n


@pytest.mark.parametrize("content", ["rubbish\n", "[1]\n", '{"a": 1}\n', "no line at all"])
def test_a_file_that_is_not_a_journal_is_rejected_and_left_alone(
    data: Path, tmp_path: Path, content: str
) -> None:
    file = tmp_path / JOURNAL
    file.write_text(content)
    with pytest.raises(ResumeError, match="not the journal of a search"):
        tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
    assert file.read_text().startswith(content)


def test_without_optuna_it_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"vigil-icu\[train\]"):
        tune([data], tmp_path, QUICK, reporter=QUIET, knobs=RATES, n_trials=1)
