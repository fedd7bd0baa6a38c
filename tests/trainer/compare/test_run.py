from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from tests.support.synthetic_cohort import QUICK, learnable_file
from tests.support.tiny_families import BOUND, GOOD, NOTHING, RIVALS, WORSE, pulse_family
from trainer.compare.experiments.ablations import CHANGES, ENCODER_ALONE
from trainer.compare.families import Entrants, everybody
from trainer.compare.models.shipped import recipe_of
from trainer.compare.protocol.family import Level
from trainer.compare.protocol.intervals import COMPARED
from trainer.compare.protocol.results import Entry, slug
from trainer.compare.report import plots
from trainer.compare.report.findings import Findings
from trainer.compare.report.plots import shown
from trainer.compare.run import RESULTS, TRANSFER_NAME, Options, compare
from trainer.data.cohort import load_cohort
from trainer.data.dataset import build_features
from trainer.data.training_patients import SeenPatients, seen_of
from trainer.errors import InputError, WrongUsage
from trainer.evaluate import evaluate
from trainer.fit import fit
from trainer.metrics.calibration_error import logit
from trainer.metrics.measures import METRICS
from trainer.progress import Reporter

QUIET = Reporter(Console(quiet=True))
RECIPE = replace(QUICK, reading_epochs=1, epochs=1, forecast_epochs=0)
AVERAGE = f"average of final LSTM and {GOOD.name}"
PICTURES = {
    "differences.png",
    "utility.png",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "lead_time.png",
    "alerts.png",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"), 160)


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("fit")
    return fit([data], out, RECIPE, reporter=QUIET, n_bootstrap=0).bundle


@dataclass(frozen=True)
class Compared:
    found: Findings
    out: Path


def again(
    data: Path, out: Path, bundle: Bundle, entrants: Entrants = RIVALS, *only: str
) -> Findings:
    return compare([data], out, bundle, entrants, Options(only, 20), reporter=QUIET)


@pytest.fixture(scope="module")
def compared(data: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    out = tmp_path_factory.mktemp("compare")
    return Compared(again(data, out, bundle), out)


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "draw", lambda *_: [])


def rows(out: Path) -> dict[str, dict[str, str]]:
    """The lines of the table about models, by name."""
    with (out / "comparison.csv").open(newline="") as text:
        table = list(csv.DictReader(text))
    return {row["name"]: row for row in table if row["block"] not in ("transfer", "subgroup")}


def test_page_and_table_show_every_model_and_what_it_is_worth(compared: Compared) -> None:
    page, table = (compared.out / "comparison.md").read_text(), rows(compared.out)
    names = {"final LSTM", AVERAGE, *(f.name for f in RIVALS.families), ENCODER_ALONE, *CHANGES}
    assert names | {"another seed"} == set(table)
    assert all(f"| {name}" in page for name in names)
    assert "{" not in page
    assert "(20 replicates, too few for ends to rely on)" in page
    for name, row in table.items():
        assert float(row["auroc_low"]) <= float(row["auroc"]) <= float(row["auroc_high"])
        assert (row["utility_difference_verdict"] == "") == (name == "final LSTM")
    assert table[NOTHING.name]["auroc"] == "0.5"
    assert table[NOTHING.name]["auroc_difference_verdict"] == "worse"
    assert table[BOUND.name]["block"] == Level.TRUTH
    assert table[GOOD.name]["settings"] == "sign 1, noise 0.3"


def test_pictures_are_drawn_and_shown_on_the_page(compared: Compared) -> None:
    page = (compared.out / "comparison.md").read_text()
    assert {file.name for file in (compared.out / "comparison").glob("*.png")} == PICTURES
    for name in PICTURES:
        assert f"](comparison/{name})" in page
        pixels = matplotlib.image.imread(compared.out / "comparison" / name)
        # An empty frame with its labels covers some 4 % of a picture.
        assert (pixels[..., :3] < 1).any(axis=-1).mean() > 0.04


def test_pictures_show_what_validation_patients_found_best(compared: Compared) -> None:
    drawn = [ranked.name for ranked in shown(compared.found)]
    assert drawn == ["final LSTM", AVERAGE, GOOD.name, WORSE.name, NOTHING.name]


def test_the_final_model_stands_as_its_evaluation_says(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    told = evaluate(bundle, [data], reporter=QUIET, patients="test").figures
    figures = compared.found.final.standing.figures
    # Other batches add up in another order: a risk differs in its seventh decimal.
    expected = {name: pytest.approx(told[name], rel=1e-5) for name in METRICS}
    assert {name: figures[name] for name in METRICS} == expected
    assert figures["n_septic"] == told["n_septic"]


def test_the_average_is_in_the_middle_of_the_log_odds(compared: Compared) -> None:
    found = compared.found
    entries = {each.name: each.entry for each in found.families}
    final, trees, both = found.final.entry, entries[GOOD.name], entries[AVERAGE]
    risks = [entry.on_test(found.held_out).risk for entry in (final, trees)]
    middle = (logit(risks[0]) + logit(risks[1])) / 2
    np.testing.assert_array_equal(both.score[found.held_out.validation.n_rows :], middle)
    assert both.state_bytes == final.state_bytes + trees.state_bytes


@pytest.mark.usefixtures("without_pictures")
def test_what_is_kept_is_not_fitted_again(compared: Compared, data: Path, bundle: Bundle) -> None:
    before = rows(compared.out)
    assert again(data, compared.out, bundle).effort.n_fitted == 0
    after = rows(compared.out)
    cost = "microseconds_per_hour"  # of the final model, which is asked each time
    for name in before:
        assert {**before[name], cost: ""} == {**after[name], cost: ""}


@pytest.mark.usefixtures("without_pictures")
def test_a_run_that_was_cut_fits_what_is_missing(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    results = compared.out / RESULTS
    (results / f"{slug(NOTHING.name)}.parquet").unlink()
    broken = results / f"{slug(GOOD.name)}.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    assert again(data, compared.out, bundle).effort.n_fitted == 2


@pytest.mark.usefixtures("without_pictures")
def test_what_was_made_of_something_else_is_fitted_anew(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    other = pulse_family(WORSE.name, WORSE.level, {"noise": 3}, {"noise": 6}, {"noise": 8})
    changed = replace(RIVALS, families=(GOOD, other, NOTHING, BOUND))
    assert again(data, compared.out, bundle, changed).effort.n_fitted == 1
    assert rows(compared.out)[WORSE.name]["settings"] == "noise 3"
    again(data, compared.out, bundle)


@pytest.mark.usefixtures("without_pictures")
def test_only_what_is_named_is_fitted(data: Path, bundle: Bundle, tmp_path: Path) -> None:
    one = again(data, tmp_path, bundle, RIVALS, "prevalence")
    assert (one.effort.n_fitted, [each.name for each in one.families]) == (1, [NOTHING.name])
    assert {GOOD.name, ENCODER_ALONE, f"{TRANSFER_NAME}, trained at A"} < set(one.absent)
    assert f"; {WORSE.name}; " in (tmp_path / "comparison.md").read_text()
    two = again(data, tmp_path, bundle, RIVALS, "pulse-noisy", "prevalence")
    assert two.effort.n_fitted == 2  # who is named is fitted anew
    three = again(data, tmp_path, bundle, RIVALS, GOOD.name)
    assert {each.name for each in three.families} == {GOOD.name, WORSE.name, NOTHING.name, AVERAGE}
    with pytest.raises(WrongUsage, match=r"--only gru: no such model.*pulse-noisy"):
        again(data, tmp_path, bundle, RIVALS, "gru")


def test_a_bundle_of_other_patients_is_refused(data: Path, bundle: Bundle, tmp_path: Path) -> None:
    others = learnable_file(tmp_path, 160, seed=9)
    with pytest.raises(InputError, match="training and validation patients are not those"):
        again(others, tmp_path, bundle)
    manifest = json.loads(json.dumps(bundle.manifest))
    ids = [f"p{i % 2}{i:05}" for i in range(160)]
    manifest["data"]["seen"] = SeenPatients.of(ids).to_text()
    assert seen_of(manifest) is not None
    with pytest.raises(InputError, match="test patients served to fit it"):
        again(data, tmp_path, replace(bundle, manifest=manifest))
    manifest["recipe"]["wings"] = 2
    with pytest.raises(InputError, match="not made by a recipe of this program"):
        again(data, tmp_path, replace(bundle, manifest=manifest))


def test_a_knob_that_is_younger_than_the_bundle_has_its_default(bundle: Bundle) -> None:
    manifest = json.loads(json.dumps(bundle.manifest))
    del manifest["recipe"]["forecast_units"]
    assert recipe_of(replace(bundle, manifest=manifest)) == RECIPE


def test_each_hospital_is_judged_by_those_who_learned_elsewhere(compared: Compared) -> None:
    transfers = [result for result, _ in compared.found.transfers]
    ways = [(c.name, c.trained_on, c.judged_on, c.calibrated_on) for c in transfers]
    for name in (TRANSFER_NAME, GOOD.name):
        for here, there in (("A", "B"), ("B", "A")):
            assert (name, here, there, here) in ways
            assert (name, here, there, there) in ways
    for result, standing in compared.found.transfers:
        sites = {patient[:2] for patient in result.scored.patient_ids}
        assert sites == {"p0" if result.judged_on == "A" else "p1"}
        assert standing.figures["n_patients"] == len(result.scored.patient_ids)
    # The first of a hospital is the final model: the others are compared with it.
    assert [bool(s.differences) for _, s in compared.found.transfers].count(False) == 2


def test_calibrating_anew_leaves_the_ranking(compared: Compared) -> None:
    found = {
        (c.name, c.trained_on, c.judged_on, c.calibrated_on): s for c, s in compared.found.transfers
    }
    before, after = found[GOOD.name, "A", "B", "A"], found[GOOD.name, "A", "B", "B"]
    # Risks are rounded to seven decimals, so a few may tie.
    assert after.figures["auroc"] == pytest.approx(before.figures["auroc"], abs=1e-4)
    assert after.figures["brier"] != before.figures["brier"]


def test_ablations_differ_by_what_was_taken_away(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    entries = {each.name: each.entry for each in compared.found.ablations}
    for name, settings in CHANGES.items():
        assert entries[name].settings == settings
    scores = [entry.score for entry in (compared.found.final.entry, *entries.values())]
    assert len(np.unique(np.stack(scores), axis=0)) == len(scores)
    network = build.build(bundle).network
    x = torch.from_numpy(network_input(data, bundle, compared.found))
    with torch.inference_mode():
        glance = network.glance(network.encode(x))[:, 0].double().numpy()
    # Sums of 32-bit floats in another order.
    np.testing.assert_allclose(entries[ENCODER_ALONE].score, glance, rtol=0, atol=1e-4)


def network_input(data: Path, bundle: Bundle, found: Findings) -> NDArray[np.float32]:
    """The standardised features of the hours of held-out stays."""
    cohort = load_cohort([data])
    stays = found.held_out.stays
    rows = np.concatenate([np.arange(cohort.starts[i], cohort.starts[i + 1]) for i in stays])
    return build.build(bundle).scaling.apply(build_features(cohort)[rows])


def test_groups_are_parts_of_the_test_patients(compared: Compared) -> None:
    groups = {name: standing.figures for name, standing in compared.found.groups}
    total = compared.found.final.standing.figures["n_patients"]
    hospitals = [groups[f"hospital {name}"]["n_patients"] for name in "AB"]
    assert sum(hospitals) == total
    assert all(figures["n_patients"] < total for figures in groups.values())


def test_an_entry_comes_back_as_it_was_kept(compared: Compared, tmp_path: Path) -> None:
    found = compared.found
    entry = found.families[0].entry
    file = tmp_path / "entry.parquet"
    entry.save(file, found.held_out, {"data": "1", "candidates": [{"n": 1}]})
    kept = Entry.load(file, {"data": "1", "candidates": [{"n": 1}]})
    assert kept is not None
    np.testing.assert_array_equal(kept.score, entry.score)
    assert replace(kept, score=entry.score, operating_point=entry.operating_point) == entry
    before, after = entry.on_test(found.held_out), kept.on_test(found.held_out)
    np.testing.assert_array_equal(after.risk, before.risk)
    np.testing.assert_array_equal(after.positive, before.positive)
    np.testing.assert_array_equal(after.alert_starts, before.alert_starts)
    assert Entry.load(file, {"data": "2", "candidates": [{"n": 1}]}) is None
    assert Entry.load(tmp_path / "none.parquet", {}) is None
    foreign = pa.table({"score": [1.0]}).replace_schema_metadata({b"vigil": b"{}"})
    pq.write_table(foreign, file)
    assert Entry.load(file, {"data": "1"}) is None


@pytest.mark.usefixtures("without_pictures")
def test_the_daily_form_is_worked_out_once(compared: Compared, data: Path, bundle: Bundle) -> None:
    asked = []

    def daily(*_: object) -> list[dict[str, object]]:
        asked.append(1)
        row = {"name": "by day", "outcome": "same day", "n_rows": 50, "n_positive": 4}
        row |= {"auroc": 0.7, "auprc": 0.2}
        return [{**row, "auroc_ci": [0.6, 0.8], "auprc_ci": [0.1, 0.3]}]

    with_days = replace(RIVALS, daily=daily)
    for _ in range(2):
        again(data, compared.out, bundle, with_days)
    assert len(asked) == 1
    for n, damaged in enumerate(("", "[1]", '{"made_of": ')):
        (compared.out / "results/daily.json").write_text(damaged)
        again(data, compared.out, bundle, with_days)
        assert len(asked) == n + 2
    page = (compared.out / "comparison.md").read_text()
    assert "| same day | by day | 4 of 50 | 0.700 [0.600, 0.800] | 0.200 [0.100, 0.300] |" in page
    assert rows(compared.out)["by day"]["auroc_high"] == "0.8"


def test_verdicts_say_no_more_than_the_interval(compared: Compared) -> None:
    for each in (*compared.found.families, *compared.found.ablations):
        for metric in COMPARED:
            low, high = each.standing.differences[f"{metric}_ci"]
            words = each.standing.verdict(metric)
            assert words == (
                "better" if low > 0 else "worse" if high < 0 else "no difference shown"
            )


def test_everybody_has_the_same_chances() -> None:
    entrants = everybody()
    families = entrants.families
    assert {len(family.candidates) for family in families} == {0, 3}
    assert len({slug(family.name) for family in families}) == len(families)
    assert entrants.trees in {family.name for family in families if family.level is Level.WINDOW}
    assert {family.level for family in families} == set(Level)
