from __future__ import annotations

from trainer.training.recipe import Recipe
from trainer.tune.space import SPACE, chosen_knobs


def test_the_space_holds_the_shipped_recipe_and_only_recipes() -> None:
    for knob in SPACE:
        assert knob.contains(Recipe()), knob.name
        for end in (knob.low, knob.high):
            recipe, wrong = Recipe().changed([f"{knob.name}={end:g}"])
            assert not [*wrong, *recipe.problems()], knob.name
    assert not any(knob.of_teacher for knob in chosen_knobs(None)[0])


def test_a_value_off_the_range_or_its_steps_is_named() -> None:
    (hidden,) = chosen_knobs(["hidden"])[0]
    assert hidden.contains(Recipe(hidden=32))
    for value in (8, 33, 256):
        recipe = Recipe(hidden=value)
        assert not hidden.contains(recipe)
        message = hidden.out_of_range(recipe)
        assert (
            message == f"hidden is searched from 16 to 128 in steps of 16, which leaves out {value}"
        )
