from __future__ import annotations

import math

from streamer.bundles.manifest import Figures
from streamer.datasets.task import read_task
from tests.support.task_files import TASKS
from trainer.data.split import SIDES
from trainer.reports.card import write_card, write_site_card
from trainer.reports.metric_words import SHOWN, figure, interval
from trainer.training.recipe import Recipe

COUNTS = {"n_patients": 40, "n_septic": 12, "n_rows": 1234}
TEST: Figures = {**COUNTS, **dict.fromkeys(SHOWN, 0.5), "auroc_ci": [0.45, 0.55]}
THRESHOLDS = {"threshold": 0.0123, "medium": 0.03, "high": 0.09, "off": 0.018}
ABOUT: Figures = {
    "data": {
        **COUNTS,
        "sha256": "ab" * 32,
        "sides": {side: {**COUNTS, "n_septic": 30} for side in SIDES},
    },
    "recipe": Recipe().to_json(),
    "training": {"epochs": 8, "best_epoch": 5},
    "metrics": {
        "test": {**TEST, "by_site": {"A": TEST}},
        "subgroups": {"women": TEST},
        "n_bootstrap": 200,
    },
    "alert_budget": {"budget": 0.3, "starts_per_patient_day": 0.29, "sensitivity": 0.61},
    "versions": {"vigil": "1.0", "torch": "2.0", "numpy": "2.1"},
}


def test_a_card_has_data_figures_and_thresholds() -> None:
    card = write_card(ABOUT, THRESHOLDS, on_public_data=True)
    for text in (
        "40 stays (12 septic, 1,234 hours)",
        "PhysioNet/Computing in Cardiology Challenge 2019",
        "not a medical device",
        "| AUROC, hours | 0.500 [0.450, 0.550] | 0.500 [0.450, 0.550] |",
        "| women | 40 | 12 |",
        "**positive** above 0.0123",
        "61% of septic stays detected",
        "twice as likely septic",
        "the weights of epoch 5",
    ):
        assert text in card
    assert "{" not in card


def test_a_card_of_other_data_does_not_name_the_challenge() -> None:
    card = write_card(ABOUT, {**THRESHOLDS, "high": 1.0}, on_public_data=False)
    assert "Data of the institution" in card
    assert "Cite: Reyna" not in card
    assert "**high** above 1.0000: never" in card


def test_a_card_of_an_outcome_of_the_whole_stay_has_neither_horizon_nor_onset() -> None:
    task = read_task(TASKS / "death-2012.toml").to_json()
    about = {**ABOUT, "task": task}
    made = {"from": "0123456789ab", "data": ABOUT["data"], "chosen_on_seen": 0}
    again = {**made, "chosen_on": COUNTS, "judged_on": COUNTS}
    difference = {name: [0.05, 0.15] for name in SHOWN}
    for card in (
        write_card(about, THRESHOLDS, on_public_data=False),
        write_site_card({**about, "recalibration": again}, THRESHOLDS, TEST, difference, ""),
    ):
        for words in ("utility", " lead ", "onset", "within 6 hours", "within 24"):
            assert words not in card, words
        assert "| stays with the outcome in which an alert starts | 0.500 |" in card
        assert "most sensitivity and specificity of hours together on validation" in card
    card = write_card(about, THRESHOLDS, on_public_data=False)
    assert "that the outcome of this stay is death in hospital. It has no horizon" in card
    assert "{" not in card
    of_hours = {**about, "task": {**task, "label": {"column": "died"}}}
    assert "comes within 6 hours" in write_card(of_hours, THRESHOLDS, on_public_data=False)


def test_no_subgroup_is_said_to_be_measured_where_none_is() -> None:
    metrics = {**ABOUT["metrics"], "subgroups": {}}
    card = write_card({**ABOUT, "metrics": metrics}, THRESHOLDS, on_public_data=True)
    assert "no subgroup here holds enough septic stays" in card


def test_a_site_card_stands_before_the_card_of_the_original_bundle() -> None:
    made = {"from": "0123456789ab", "data": ABOUT["data"], "chosen_on_seen": 3}
    half = {**COUNTS, "n_patients": 20}
    about = {**ABOUT, "recalibration": {**made, "chosen_on": half, "judged_on": half}}
    before = {**TEST, "auroc": 0.4, "auroc_ci": [0.35, 0.45]}
    difference = {name: [0.05, 0.15] for name in SHOWN} | {"ece": [math.nan, math.nan]}
    card = write_site_card(about, THRESHOLDS, before, difference, "# Old card\n\ntext\n## Part\n")
    assert "those of bundle 0123456789ab" in card
    assert "the bundle before was stopped or calibrated on 3 of these" in card
    assert "left out" not in card.split("## Figures")[0]
    row = "| AUROC, hours | 0.400 [0.350, 0.450] | 0.500 [0.450, 0.550] | [0.050, 0.150] |"
    assert row in card
    assert card.endswith("## Old card\n\ntext\n### Part\n")


def test_a_site_card_counts_the_stays_that_nothing_rests_on() -> None:
    made = {"from": "0123456789ab", "data": ABOUT["data"], "chosen_on_seen": 0}
    counted = {"chosen_on": {**COUNTS, "n_patients": 30}, "judged_on": {**COUNTS, "n_patients": 3}}
    about = {**ABOUT, "recalibration": {**made, **counted}}
    difference = {name: [0.05, 0.15] for name in SHOWN}
    card = write_site_card(about, THRESHOLDS, TEST, difference, "")
    assert "\n7 more are left out of both: the bundle before was fitted on them." in card
    in_a_run = {**about, "split": {"decided": True}}
    card = write_site_card(in_a_run, THRESHOLDS, TEST, difference, "")
    assert "7 more are left out of both: they decide on promotions, or the bundle before" in card


def test_an_undefined_figure_is_none_and_its_interval_empty() -> None:
    assert figure({}, "auroc") == "none"
    assert figure({"auroc": 0.8, "auroc_ci": [None, None]}, "auroc") == "0.800"
    assert figure({"ece": 0.01234}, "ece") == "0.0123"
    assert interval([math.nan, 0.1], "auroc") == ""
