from __future__ import annotations

import math

from streamer.bundles.manifest import Figures
from trainer.data.split import SIDES
from trainer.reports.card import SHOWN, figure, interval, write_card, write_site_card
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


def test_no_subgroup_is_said_to_be_measured_where_none_is() -> None:
    metrics = {**ABOUT["metrics"], "subgroups": {}}
    card = write_card({**ABOUT, "metrics": metrics}, THRESHOLDS, on_public_data=True)
    assert "no subgroup here holds enough septic stays" in card


def test_a_site_card_stands_before_the_card_of_the_original_bundle() -> None:
    made = {"from": "0123456789ab", "data": ABOUT["data"], "chosen_on_seen": 3}
    about = {**ABOUT, "recalibration": {**made, "chosen_on": COUNTS, "judged_on": COUNTS}}
    before = {**TEST, "auroc": 0.4, "auroc_ci": [0.35, 0.45]}
    difference = {name: [0.05, 0.15] for name in SHOWN} | {"ece": [math.nan, math.nan]}
    card = write_site_card(about, THRESHOLDS, before, difference, "# Old card\n\ntext\n## Part\n")
    assert "those of bundle 0123456789ab" in card
    assert "the network was fitted on 3 of these" in card
    row = "| AUROC, hours | 0.400 [0.350, 0.450] | 0.500 [0.450, 0.550] | [0.050, 0.150] |"
    assert row in card
    assert card.endswith("## Old card\n\ntext\n### Part\n")


def test_an_undefined_figure_is_none_and_its_interval_empty() -> None:
    assert figure({}, "auroc") == "none"
    assert figure({"auroc": 0.8, "auroc_ci": [None, None]}, "auroc") == "0.800"
    assert figure({"ece": 0.01234}, "ece") == "0.0123"
    assert interval([math.nan, 0.1], "auroc") == ""
