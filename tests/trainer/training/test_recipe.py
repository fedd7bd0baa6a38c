from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer.bundles.bundle import SHIPPED
from trainer.training.recipe import Recipe


def test_a_recipe_says_everything_that_is_wrong_with_it() -> None:
    assert not Recipe().problems()
    wrong = Recipe(epochs=0, dropout=1.0, learning_rate=0, seed=-1, fractions=(0.5, 0.5, 0.5))
    assert len(wrong.problems()) == 5


def test_knobs_are_read_by_their_type() -> None:
    recipe, wrong = Recipe().changed(
        ["hidden=64", "learning_rate=1e-3", "salt=other", "head_weights=1,0,0"]
    )
    assert not wrong
    assert (recipe.hidden, recipe.learning_rate, recipe.salt) == (64, 1e-3, "other")
    assert recipe.head_weights == (1.0, 0.0, 0.0)
    _, wrong = Recipe().changed(["hidden=6.5", "head_weights=1,2", "problems=1", "epochs"])
    assert len(wrong) == 4


def test_the_shipped_model_names_the_knobs_of_this_recipe() -> None:
    manifest = json.loads((Path(SHIPPED) / "manifest.json").read_text())
    assert sorted(manifest["recipe"]) == sorted(Recipe().to_json())


def test_knobs_are_json_values() -> None:
    knobs = Recipe(head_weights=(1.0, 0.5, 0.25)).to_json()
    assert json.loads(json.dumps(knobs)) == knobs
    assert knobs["head_weights"] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"warm_up_steps": 0}, "warm_up_steps must be at least 1, not 0"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative, not -0.1"),
        ({"utility_weight": -1.0}, "utility_weight must not be negative, not -1.0"),
        (
            {"head_weights": (1.0, -1.0, 0.0)},
            "head_weights must not be negative and one above 0, not (1.0, -1.0, 0.0)",
        ),
    ],
)
def test_a_knob_that_would_stop_or_reverse_training_is_a_problem(
    change: dict[str, Any], problem: str
) -> None:
    assert replace(Recipe(), **change).problems() == [problem]
