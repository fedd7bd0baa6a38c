"""A card says how its own fit came about, whatever way that was."""

from __future__ import annotations

import pytest

from streamer.bundles.manifest import ChosenOn, Figures
from trainer.reports.provenance_words import chosen_on, provenance_words
from trainer.training.recipe import Recipe

SPLIT = {"salt": "vigil", "fractions": [0.7, 0.15, 0.15]}
ABOUT: Figures = {
    "recipe": Recipe().to_json(),
    "data": {"sides": {"validation": {"n_septic": 343}, "test": {"n_patients": 4875}}},
    "metrics": {"test": {"n_patients": 4875}},
    "split": SPLIT,
}
FEW: Figures = {
    **ABOUT,
    "data": {"sides": {**ABOUT["data"]["sides"], "validation": {"n_septic": 19}}},
}
SITE: ChosenOn = {
    "sides": "validation", "site": False, "learned": False, "n_patients": 61, "n_septic": 24
}  # fmt: skip
FEWER = {"started_from": "0123456789abcdef", "metrics": {"test": {"n_patients": 4000}}}


def test_the_usual_fit() -> None:
    words = provenance_words(ABOUT)
    assert "for 90% of the target" in words["target"]
    assert words["rule"] == "by a hash of their id (salt `vigil`)"
    assert words["chosen"].startswith("Scaling comes from training patients alone; stopping, cal")
    assert words["left_out"] == ""
    assert chosen_on(ABOUT) == "validation"


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"split": {**SPLIT, "turn": 0.2}}, "rule", "a fold of it"),
        ({"split": {**SPLIT, "file_sha256": "ab"}}, "rule", "by a file"),
        ({"split": {**SPLIT, "dates": ["2022-01-01", "2022-07-01"]}}, "rule", "test from 2022-07"),
        (
            {"split": {**SPLIT, "decided": True}},
            "left_out",
            "promotions are left out of the figures",
        ),
        ({"started_from": "0123456789abcdef"}, "chosen", "bundle 0123456789ab with its scaling"),
        (FEWER, "left_out", "whom the bundle before was fitted on"),
        (
            {**FEWER, "split": {**SPLIT, "decided": True}},
            "left_out",
            "promotions, or whom the bundle before was fitted on, are left out",
        ),
        (
            {"chosen_on": {**SITE, "site": True}},
            "chosen",
            "Calibration and thresholds come from 61 stays of the site among these (24 septic).",
        ),
        (
            {**FEWER, "chosen_on": {**SITE, "sides": "training and validation", "learned": True}},
            "chosen",
            "The bundle before had learned from some of them: risks may be too extreme.",
        ),
        ({"recipe": Recipe(teacher_share=0.0).to_json()}, "target", "the labels alone"),
    ],
)
def test_another_way_is_written(changes: Figures, part: str, words: str) -> None:
    written = provenance_words({**ABOUT, **changes})[part]
    assert words in written
    assert written != provenance_words(ABOUT)[part]


def test_the_stays_that_were_chosen_on_are_named_as_the_manifest_has_them() -> None:
    for changes, words in (
        ({}, "validation"),
        ({"site": True}, "the site's own validation"),
        ({"sides": "training and validation"}, "training and validation"),
    ):
        assert chosen_on({**ABOUT, "chosen_on": {**SITE, **changes}}) == words


def test_a_choice_on_few_septic_stays_is_not_called_one_on_validation_patients_alone() -> None:
    words = provenance_words(FEW)["chosen"]
    assert "thresholds from validation" not in words
    assert "Only 19 of these are septic" in words
    assert chosen_on(FEW) == "training and validation"
