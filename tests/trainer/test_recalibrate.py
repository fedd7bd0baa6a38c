from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from streamer.bundles import bundle as bundles
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import FORECAST, SplitPart
from tests.support.plain_fit import drawing_nothing
from tests.support.small_models import random_bundle
from tests.support.synthetic_cohort import QUICK, learnable_file, learnable_stays
from tests.support.synthetic_stays import Row, write_parquet
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.known_stays import known_stays
from trainer.data.split import Split, side_of
from trainer.data.split_rules import fold
from trainer.data.training_patients import seen_of
from trainer.decisions.predictions import predict
from trainer.errors import NothingToEvaluate, TooLittleData
from trainer.evaluate import evaluate, overlap_warning
from trainer.fit import fit
from trainer.metrics.definitions import METRICS
from trainer.metrics.subgroups import LEAST_SEPTIC as LEAST_JUDGED
from trainer.progress import Reporter
from trainer.recalibrate import (
    LEAST_SEPTIC,
    Recalibrated,
    recalibrate,
    refuse_too_few,
)
from trainer.registry.candidacy import Candidacy

RECOUNTED = ("by_site", "patients")
QUIET = Reporter(Console(quiet=True))
SITE = 5000  # the first number of a patient of the site


def site_file(folder: Path, n_stays: int = 400, first_id: int = SITE) -> Path:
    """Stays of another hospital: the same illness, seldomer, since half of the ill are let out."""
    draws = np.random.default_rng(1)
    stays: dict[str, list[Row]] = {
        f"site-{patient}": rows
        for patient, rows in learnable_stays(n_stays, 1, first_id).items()
        if not rows[-1]["SepsisLabel"] or draws.random() < 0.5
    }
    return write_parquet(folder / f"site-{n_stays}.parquet", stays)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recalibration")


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Bundle:
    torch.set_num_threads(1)
    with drawing_nothing():
        return fit([learnable_file(folder)], folder, QUICK, reporter=QUIET, n_bootstrap=5).bundle


@pytest.fixture(scope="module")
def site(folder: Path) -> Path:
    return site_file(folder)


@pytest.fixture(scope="module")
def recalibrated(folder: Path, fitted: Bundle, site: Path) -> Recalibrated:
    return recalibrate(fitted, [site], folder / "site", reporter=QUIET, n_bootstrap=50)


def test_network_and_scaling_stay_and_all_that_was_chosen_is_new(
    fitted: Bundle, recalibrated: Recalibrated, folder: Path
) -> None:
    new = recalibrated.bundle
    assert bundles.load(folder / "site" / "bundle").model_id == new.model_id != fitted.model_id
    assert build(new).model_id == new.model_id
    assert new.weights == fitted.weights
    assert new.has_forecast == fitted.has_forecast
    assert new.manifest["metrics"].get(FORECAST) == fitted.manifest["metrics"].get(FORECAST)
    for kept in ("scaling", "architecture", "recipe", "split", "training"):
        assert new.manifest[kept] == fitted.manifest[kept]
    for chosen in ("calibration", "threshold", "alert_policy"):
        assert new.manifest[chosen] != fitted.manifest[chosen]


def test_risks_of_the_site_become_right_on_patients_that_nothing_was_chosen_on(
    recalibrated: Recalibrated,
) -> None:
    assert recalibrated.after["ece"] < recalibrated.before["ece"]
    assert recalibrated.difference_ci["ece"][1] < 0
    # The order of the risks is the network's; only rounding to seven digits may tie some.
    assert recalibrated.after["auroc"] == pytest.approx(recalibrated.before["auroc"], abs=1e-4)


def test_figures_are_those_of_evaluate_on_the_same_held_out_patients(
    recalibrated: Recalibrated, fitted: Bundle, site: Path
) -> None:
    for bundle, reported in (
        (fitted, recalibrated.before),
        (recalibrated.bundle, recalibrated.after),
    ):
        figures = evaluate(bundle, [site], reporter=QUIET, patients="test").figures
        assert {name: reported[name] for name in figures if name not in RECOUNTED} == {
            name: value for name, value in figures.items() if name not in RECOUNTED
        }


def test_held_out_patients_choose_nothing(
    recalibrated: Recalibrated, fitted: Bundle, folder: Path, site: Path
) -> None:
    stays = learnable_stays(400, 1, SITE)
    some = {f"site-{patient}": rows for patient, rows in stays.items()}
    cohort = load_cohort([site])
    others = {
        patient: [{**row, "HR": 60.0} for row in some[patient]]
        if side_of(patient) == "test"
        else some[patient]
        for patient in cohort.patient_ids
    }
    file = write_parquet(folder / "others.parquet", others)
    again = recalibrate(fitted, [file], folder / "again", reporter=QUIET, n_bootstrap=0).bundle
    for chosen in ("calibration", "threshold", "alert_policy", "alert_budget"):
        assert again.manifest[chosen] == recalibrated.bundle.manifest[chosen]
    assert again.manifest["metrics"]["test"]["auroc"] != recalibrated.after["auroc"]


def test_the_manifest_says_where_it_comes_from_and_on_whom_it_was_chosen(
    recalibrated: Recalibrated, fitted: Bundle, folder: Path, site: Path
) -> None:
    made, cohort = recalibrated.bundle.manifest["recalibration"], load_cohort([site])
    chosen_on = [p for p in cohort.patient_ids if side_of(p) != "test"]
    assert made["from"] == fitted.model_id
    assert made["data"]["n_patients"] == len(cohort)
    assert made["chosen_on"]["n_patients"] == len(chosen_on)
    assert made["judged_on"]["n_patients"] == len(cohort) - len(chosen_on)
    seen = seen_of(recalibrated.bundle.manifest)
    assert seen is not None
    trained_on = load_cohort([folder / "stays-80-0-0.parquet"]).patient_ids
    assert seen.count(chosen_on) == len(chosen_on)
    assert seen.count(trained_on) >= sum(side_of(p) != "test" for p in trained_on)
    warning = overlap_warning(
        recalibrated.bundle, cohort, known_stays(recalibrated.bundle.manifest, cohort)
    )
    assert warning is not None
    n_known = int(warning.split("fitted on ")[1].split()[0])
    assert seen.count(cohort.patient_ids) <= n_known <= seen.count(cohort.patient_ids) + 5
    report = json.loads((folder / "site" / "recalibration.json").read_text())
    assert report["model"] == recalibrated.bundle.model_id
    assert report["difference_ci"]["ece"] == list(recalibrated.difference_ci["ece"])


def test_the_card_stands_in_front_of_the_old_one(
    recalibrated: Recalibrated, fitted: Bundle
) -> None:
    card = recalibrated.bundle.card
    assert card.startswith("# Model card: hourly sepsis risk, calibrated for a site\n")
    assert f"bundle {fitted.shown_id}, whose card stands below" in card
    low, high = recalibrated.difference_ci["ece"]
    assert f"[{low:.4f}, {high:.4f}]" in card
    assert f"**positive** above {recalibrated.bundle.manifest['threshold']:.4f}" in card
    assert "\n## Model card: hourly sepsis risk\n" in card
    assert "\n### What was not shown\n" in card
    assert "{" not in card


def test_nothing_is_chosen_on_stays_that_the_network_learned_from(
    fitted: Bundle, folder: Path
) -> None:
    output = io.StringIO()
    listening = Reporter(Console(file=output, width=1000))
    everyone = learnable_file(folder, 240)  # the first 80 with these ids were in the training
    new = recalibrate(fitted, [everyone], folder / "warned", reporter=listening, n_bootstrap=0)
    cohort = load_cohort([everyone])
    side = np.array([side_of(p) for p in cohort.patient_ids])
    known = known_stays(fitted.manifest, cohort)
    assert known is not None
    n_left_out = int((known.seen & (side == "train")).sum())
    assert n_left_out > 40
    n = int((side != "test").sum())
    assert f"learned from {n_left_out} of the {n} stays to choose on" in output.getvalue()
    made = new.bundle.manifest["recalibration"]
    assert (made["left_out"], made["chosen_on"]["n_patients"]) == (n_left_out, n - n_left_out)
    assert f"\n{n_left_out} more are left out of both" in new.bundle.card
    # The network did not learn from whom this recalibration was chosen on.
    again = recalibrate(new.bundle, [everyone], folder / "twice", reporter=QUIET, n_bootstrap=0)
    assert again.bundle.manifest["recalibration"]["chosen_on"] == made["chosen_on"]
    own = learnable_file(folder)
    with pytest.raises(TooLittleData, match=r"learned from \d+ of the \d+ stays to choose on"):
        recalibrate(fitted, [own], folder / "own", reporter=QUIET, n_bootstrap=0)


def test_an_alert_budget_of_the_site_is_kept_to(fitted: Bundle, folder: Path, site: Path) -> None:
    few = recalibrate(
        fitted, [site], folder / "few", reporter=QUIET, alert_budget=0.05, n_bootstrap=0
    ).bundle.manifest
    assert few["alert_budget"]["budget"] == 0.05
    assert few["alert_budget"]["starts_per_patient_day"] <= 0.05
    cohort = load_cohort([site])
    model = build(bundles.load(folder / "few" / "bundle"))
    chosen_on = np.array([i for i, p in enumerate(cohort.patient_ids) if side_of(p) != "test"])
    predictions = predict(model, Dataset(cohort, build_features(cohort), chosen_on))
    rate = predictions.alert_starts.sum() / (predictions.cohort.n_rows / 24)
    assert rate == pytest.approx(few["alert_budget"]["starts_per_patient_day"])


def test_a_candidate_alerts_as_its_run_allows_and_keeps_the_budget_for_later(
    fitted: Bundle, recalibrated: Recalibrated, folder: Path, site: Path
) -> None:
    kept = recalibrated.bundle.manifest["alert_budget"]
    assert "within" not in kept
    low = kept["starts_per_patient_day"] / 2
    for most, within in ((low, low), (math.inf, kept["budget"])):
        candidate = recalibrate(
            fitted,
            [site],
            folder / "candidate",
            reporter=QUIET,
            n_bootstrap=0,
            candidacy=Candidacy(most),
        ).bundle
        alerts = candidate.manifest["alert_budget"]
        assert alerts["budget"] == kept["budget"]
        assert alerts.get("within", alerts["budget"]) == within
        assert 0 < alerts["starts_per_patient_day"] <= within
        assert f"within {within:.3g} alert starts" in candidate.card


def test_a_candidate_has_the_sides_of_its_run_whatever_the_split_of_its_bundle(
    fitted: Bundle, folder: Path, site: Path
) -> None:
    split: SplitPart = fold("vigil", 3, 5).to_json()
    of_a_fold = replace(fitted, manifest={**fitted.manifest, "split": split})
    of_a_fold.manifest["model"] = of_a_fold.model_id
    made = recalibrate(
        of_a_fold,
        [site],
        folder / "fold",
        reporter=QUIET,
        n_bootstrap=0,
        candidacy=Candidacy(),
    ).bundle.manifest["recalibration"]
    sides = [side_of(p) for p in load_cohort([site]).patient_ids]
    assert made["chosen_on"]["n_patients"] == len(sides) - sides.count("test")
    assert made["judged_on"]["n_patients"] < sides.count("test")


def test_too_few_septic_patients_are_refused_with_what_is_needed(
    fitted: Bundle, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(TooLittleData) as caught:
        recalibrate(fitted, [site_file(folder, 40)], tmp_path / "x", reporter=QUIET)
    assert f"at least {LEAST_SEPTIC} are needed" in str(caught.value)
    assert "held out to judge by, at least 5" in str(caught.value)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("n_septic", "enough"), [(LEAST_SEPTIC - 1, False), (LEAST_SEPTIC, True)])
def test_where_enough_begins(n_septic: int, enough: bool, site: Path) -> None:
    cohort = load_cohort([site])
    ill, well = np.flatnonzero(cohort.septic), np.flatnonzero(~cohort.septic)
    chosen_on = np.concatenate([ill[:n_septic], well[:100]])
    held_out = np.concatenate([ill[n_septic : n_septic + 5], well[100:110]])
    split = Split(chosen_on, chosen_on[:0], held_out)
    if enough:
        refuse_too_few(cohort, chosen_on, split.test, LEAST_JUDGED)
    else:
        with pytest.raises(TooLittleData, match=f"^{n_septic} septic patients to choose on"):
            refuse_too_few(cohort, chosen_on, split.test, LEAST_JUDGED)


def test_a_bundle_that_does_not_say_how_it_was_split_is_refused(site: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToEvaluate, match="does not say how"):
        recalibrate(random_bundle(), [site], tmp_path, reporter=QUIET)


def test_the_verdict_says_what_got_better_and_worse(recalibrated: Recalibrated) -> None:
    unclear = dict.fromkeys(METRICS, (-0.1, 0.1))
    nothing = replace(recalibrated, difference_ci=unclear)
    assert set(nothing.verdicts().values()) == {"not shown"}
    assert "nothing was shown" in nothing.verdict()
    worse = replace(
        recalibrated,
        difference_ci={**unclear, "ece": (-0.02, -0.01), "alert_sensitivity": (-0.2, -0.05)},
    )
    assert (worse.verdicts()["ece"], worse.verdicts()["alert_sensitivity"]) == ("better", "worse")
    assert "[-0.0200, -0.0100]" in worse.verdict()
    assert "before you promote" in worse.verdict()
    more = replace(
        recalibrated, difference_ci={**unclear, "non_septic_hours_alerted": (0.01, 0.02)}
    )
    assert more.verdicts()["non_septic_hours_alerted"] == "worse"
    nan = replace(recalibrated, difference_ci=dict.fromkeys(METRICS, (math.nan, math.nan)))
    assert "nothing was shown" in nan.verdict()
