from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_bundle
from tests.support.synthetic_cohort import QUICK, learnable_file, learnable_stays
from tests.support.synthetic_stays import write_parquet
from trainer.data.cohort import load_cohort
from trainer.data.dataset import build_features
from trainer.data.gathering import gather, unknown_to
from trainer.data.known_stays import known_stays
from trainer.data.split import side_of
from trainer.data.split_rules import ByHash
from trainer.decisions import operating_point
from trainer.errors import InputError, ResumeError, TooLittleData
from trainer.fit import Fitted, Lineage, fit
from trainer.progress import Reporter
from trainer.registry.candidacy import Candidacy
from trainer.training.checkpoint import FILE
from trainer.training.fine_tuning import fine_tuning_of

QUIET = Reporter(Console(quiet=True))
fitting = import_module("trainer.fit")  # of the package this is the function of the notebook


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Equal threads, equal sums; and the suite runs beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, Path]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("fit")
    return fit([data], out, QUICK, reporter=QUIET, n_bootstrap=5), out


def test_a_fit_leaves_a_bundle_that_scores_and_what_shows_how_it_went(
    fitted: tuple[Fitted, Path],
) -> None:
    result, out = fitted
    bundle = bundles.load(out / "bundle")
    assert bundle.model_id == result.bundle.model_id == build(bundle).model_id
    plots = {path.name for path in (out / "plots").iterdir()}
    assert plots == {
        "alerts.png",
        "loss.png",
        "roc.png",
        "precision_recall.png",
        "reliability.png",
        "utility.png",
    }
    history = json.loads((out / "history.json").read_text())
    lines = (out / "history.csv").read_text().splitlines()
    assert len(history["epochs"]) == len(lines) - 1 == QUICK.epochs
    assert lines[0].split(",") == list(history["epochs"][0])
    scores = [epoch["validation_score"] for epoch in history["epochs"]]
    assert scores[history["best_epoch"] - 1] == max(scores)


def test_the_manifest_says_what_the_bundle_was_made_of(
    fitted: tuple[Fitted, Path], data: Path
) -> None:
    manifest = fitted[0].bundle.manifest
    cohort = load_cohort([data])
    assert manifest["recipe"] == QUICK.to_json()
    assert manifest["split"] == {"salt": "vigil", "fractions": [0.7, 0.15, 0.15]}
    assert manifest["data"]["n_patients"] == len(cohort)
    sides = manifest["data"]["sides"]
    assert sides["test"]["n_patients"] == sum(side_of(p) == "test" for p in cohort.patient_ids)
    assert sum(side["n_patients"] for side in sides.values()) == len(cohort)
    test = manifest["metrics"]["test"]
    assert len(test["utility_ci"]) == 2
    assert test["n_patients"] == sides["test"]["n_patients"]
    assert set(test["by_site"]) == {"A", "B"}
    assert set(manifest["versions"]) == {"vigil", "torch", "numpy"}


def test_the_card_shows_the_figures_of_the_manifest(fitted: tuple[Fitted, Path]) -> None:
    card, test = fitted[0].bundle.card, fitted[0].test
    for name in ("utility", "auroc"):
        low, high = test[f"{name}_ci"]
        assert f"{test[name]:.3f} [{low:.3f}, {high:.3f}]" in card
    assert "Data of the institution" in card  # whose ids are written as the public ones
    for words in ("not a medical device", "What was not shown", "hospital B"):
        assert words in card
    assert "{" not in card


def test_it_learns_what_there_is_to_learn(data: Path, tmp_path: Path) -> None:
    # A thousand hours are too few for a teacher.
    recipe = replace(QUICK, teacher_share=0.0, reading_epochs=40, encoder=16, hidden=16)
    with drawing_nothing():
        result = fit([data], tmp_path, recipe, reporter=QUIET, n_bootstrap=0)
    epochs = result.run.history
    assert epochs[result.run.best_epoch - 1]["validation_auroc"] > 0.85  # 0.5 is chance
    assert result.test["auroc"] > 0.75


def test_scaling_is_fitted_on_training_patients_alone(
    fitted: tuple[Fitted, Path], data: Path
) -> None:
    cohort = load_cohort([data])
    built = build_features(cohort)
    in_training = np.array([side_of(p) == "train" for p in cohort.patient_ids])
    rows = in_training[cohort.patient_of_row]
    column = 0  # the last heart rate
    mean = fitted[0].bundle.manifest["scaling"]["mean"][column]
    # float32 keeps 7 digits
    assert mean == pytest.approx(np.nanmean(built[rows, column], dtype=np.float64), rel=1e-6)
    assert mean != pytest.approx(np.nanmean(built[:, column], dtype=np.float64), rel=1e-6)


def test_equal_seeds_give_equal_bytes_and_others_do_not(
    fitted: tuple[Fitted, Path], data: Path, tmp_path: Path
) -> None:
    seeded = replace(QUICK, seed=1)
    with drawing_nothing():
        again = fit([data], tmp_path / "1", QUICK, reporter=QUIET, n_bootstrap=5).bundle
        other = fit([data], tmp_path / "2", seeded, reporter=QUIET, n_bootstrap=5).bundle
    assert again.to_bytes() == fitted[0].bundle.to_bytes()
    assert other.weights != again.weights


class _Cut(RuntimeError):
    pass


def _interrupted_after(epochs: int) -> Callable[[dict[str, float]], str]:
    def line(epoch: dict[str, float]) -> str:
        if epoch["epoch"] == epochs:
            raise _Cut
        return ""

    return line


def test_a_run_that_was_cut_goes_on_to_the_same_bytes(
    fitted: tuple[Fitted, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_line", _interrupted_after(2))
        with pytest.raises(_Cut):
            fit([data], tmp_path, QUICK, reporter=QUIET, n_bootstrap=5)
    assert not (tmp_path / "bundle").exists()
    seen: list[float] = []

    def note(epoch: dict[str, float]) -> str:
        seen.append(epoch["epoch"])
        return ""

    monkeypatch.setattr(fitting, "_line", note)
    with drawing_nothing():
        resumed = fit([data], tmp_path, QUICK, reporter=QUIET, n_bootstrap=5, resume=True)
    assert seen == [3]
    assert resumed.bundle.to_bytes() == fitted[0].bundle.to_bytes()


def test_a_checkpoint_of_something_else_is_refused(
    fitted: tuple[Fitted, Path], data: Path, tmp_path: Path
) -> None:
    kept = (fitted[1] / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(kept)
    other = replace(QUICK, hidden=9)
    with pytest.raises(ResumeError, match="another recipe"):
        fit([data], tmp_path, other, reporter=QUIET, resume=True)
    more = learnable_file(tmp_path, 80, seed=5)
    with pytest.raises(ResumeError, match="another data"):
        fit([more], tmp_path, QUICK, reporter=QUIET, resume=True)
    (tmp_path / FILE).write_bytes(kept[: len(kept) // 2])
    with pytest.raises(ResumeError, match="cannot be read"):
        fit([data], tmp_path, QUICK, reporter=QUIET, resume=True)


def test_too_few_patients_are_refused_with_every_reason(tmp_path: Path) -> None:
    few = learnable_file(tmp_path, 10)
    with pytest.raises(TooLittleData, match=r"10 stays in all.*--salt"):
        fit([few], tmp_path, QUICK, reporter=QUIET)
    healthy = {
        patient: [{**row, "SepsisLabel": 0} for row in rows]
        for patient, rows in learnable_stays(40).items()
    }
    file = write_parquet(tmp_path / "healthy.parquet", healthy)
    with pytest.raises(TooLittleData) as caught:
        fit([file], tmp_path, QUICK, reporter=QUIET)
    assert all(f"{side} patients is septic" in str(caught.value) for side in ("train", "test"))


def test_a_fit_that_goes_on_moves_every_layer_a_little_and_keeps_scaling_and_pieces(
    fitted: tuple[Fitted, Path], tmp_path: Path
) -> None:
    start = fitted[0].bundle
    own = load_cohort([learnable_file(tmp_path, 60, seed=5, first_id=900)])
    recipe = fine_tuning_of(start)
    lineage = Lineage(start=start, candidacy=Candidacy(0.2))
    result = fit(own, tmp_path, recipe, reporter=QUIET, n_bootstrap=0, lineage=lineage)
    before, after = build(start), build(result.bundle)
    changed = {
        name
        for name, weights in before.network.weights.items()
        if not np.array_equal(weights, after.network.weights[name])
    }
    assert {"glance_head", "memory_head", "bias"} <= changed
    assert not any(name.startswith(("binned", "edges")) for name in changed)
    moved = [name for name in changed if name.startswith(("first", "second"))]
    assert moved
    for name in moved:  # it goes on from the weights, and does not begin anew
        old, new = before.network.weights[name], after.network.weights[name]
        assert np.abs(new - old).mean() < 0.2 * np.abs(old).mean()
    assert np.array_equal(before.scaling.mean, after.scaling.mean)
    assert (before.forecaster is None) == (after.forecaster is None)
    manifest = result.bundle.manifest
    assert manifest["started_from"] == start.model_id
    alerts = manifest["alert_budget"]
    assert (alerts["budget"], alerts["within"]) == (recipe.alert_budget, 0.2)
    assert 0 < alerts["starts_per_patient_day"] <= 0.2
    known = known_stays(manifest, load_cohort([learnable_file(tmp_path, 80)]))
    assert known is not None
    assert known.seen.sum() > 40  # whom the start was fitted on
    with pytest.raises(InputError, match="size"):
        other = replace(recipe, hidden=recipe.hidden + 1)
        fit(own, tmp_path, other, reporter=QUIET, lineage=Lineage(start=start))


def test_a_candidate_that_learned_from_public_stays_as_well_is_calibrated_for_its_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating_point, "LEAST_CHOSEN_ON", 1)
    cohort = load_cohort([learnable_file(tmp_path, 140)])
    made = [
        fit(cohort, tmp_path, QUICK, reporter=QUIET, resume=True, n_bootstrap=0, lineage=lineage)
        for site in (frozenset[str](), frozenset(cohort.patient_ids[::2]))
        for lineage in [Lineage(candidacy=Candidacy(site=site))]
    ]
    everywhere, at_the_site = (fitted.bundle for fitted in made)
    assert everywhere.weights == at_the_site.weights
    assert everywhere.manifest["calibration"] != at_the_site.manifest["calibration"]
    sides = [side_of(p) for p in cohort.patient_ids]
    n_own = sides[::2].count("validation")
    for bundle, site, n in (
        (everywhere, False, sides.count("validation")),
        (at_the_site, True, n_own),
    ):
        chosen_on = bundle.manifest["chosen_on"]
        assert (chosen_on["sides"], chosen_on["site"]) == ("validation", site)
        assert chosen_on["n_patients"] == n
    n_septic = at_the_site.manifest["chosen_on"]["n_septic"]
    words = f"Calibration and thresholds come from {n_own} stays of the site among these"
    assert f"{words} ({n_septic} septic)" in at_the_site.card
    assert "utility on the site's own validation patients" in at_the_site.card


def test_a_fit_that_goes_on_is_not_judged_on_patients_of_its_start(
    fitted: tuple[Fitted, Path], tmp_path: Path
) -> None:
    start = fitted[0].bundle
    cohort = load_cohort([learnable_file(tmp_path, 80)])  # those that the start was fitted on
    material, _ = gather(cohort, ByHash("another salt"), QUIET)
    output = io.StringIO()
    listening = Reporter(Console(file=output, width=1000))
    left = unknown_to(start, material, material.split.test, listening)
    sides = np.array([side_of(patient) for patient in cohort.patient_ids])
    assert set(left) <= set(material.split.test)
    assert (sides[left] == "test").all()
    assert len(left) >= (sides[material.split.test] == "test").sum() - 1  # a false answer
    assert "test patients, who are left out" in output.getvalue()
    own, _ = gather(cohort, ByHash(), QUIET)
    np.testing.assert_array_equal(unknown_to(start, own, own.split.test, QUIET), own.split.test)


def test_no_figure_of_a_fit_that_goes_on_is_of_patients_of_its_start(
    fitted: tuple[Fitted, Path], tmp_path: Path
) -> None:
    start = fitted[0].bundle
    cohort = load_cohort([learnable_file(tmp_path, 140)])  # 80 of them are those of the start
    recipe = replace(fine_tuning_of(start), salt="salt 16", epochs=1, reading_epochs=1)
    lineage = Lineage(start=start, against=random_bundle())
    with drawing_nothing():
        result = fit(cohort, tmp_path, recipe, reporter=QUIET, n_bootstrap=0, lineage=lineage)
    split = ByHash(recipe.salt).split(cohort)
    rest, deciding = split.deciding_apart(cohort.owners, recipe.salt)
    known = known_stays(start.manifest, cohort)
    assert known is not None
    assert known.seen[deciding].any()
    assert result.comparison is not None
    assert 0 < result.comparison.n_patients <= int((~known.seen[deciding]).sum())
    test = result.test
    assert 0 < test["n_patients"] == int((~known.seen[rest]).sum()) < len(rest)
    # A pulse is measured in each hour of these stays, so each but the last has a next one.
    forecast = result.bundle.manifest["metrics"]["forecast"]["test"]["heart_rate"]
    assert forecast["n"][0] == test["n_rows"] - test["n_patients"]
