"""Knobs of a run: those of a fit, but for what would move patients from side to side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trainer.archive.source import ArchiveSource
from trainer.archive.stay_ids import DEFAULT_SALT
from trainer.training.recipe import Recipe

_OF_EVERY_FIT: Final = (
    "seed", "salt", "memory_rate", "alert_budget", "batch_stays", "head_weights",
)  # fmt: skip


def run_recipe(options: Sequence[str], sources: Sequence[str]) -> tuple[Recipe, list[str]]:
    """The recipe of a run's fit anew, and a sentence for each fault of its knobs.

    A run decides on a side of its own, drawn by fixed shares: other shares would put patients who
    decide on the validation side of a candidate. An archive keeps positions under one salt.

    Args:
        options: knobs, KNOB=VALUE.
        sources: files, folders and archives of the run.

    >>> run_recipe(["fractions=0.8,0.1,0.1"], ["/data/icu"])[1]
    ['fractions is not a knob of a run: its sides hold for ever']
    """
    recipe, wrong = Recipe().changed(options)
    wrong += recipe.problems()
    if recipe.fractions != Recipe().fractions:
        wrong.append("fractions is not a knob of a run: its sides hold for ever")
    is_archived = any(ArchiveSource.parse(source) is not None for source in sources)
    if is_archived and recipe.salt != DEFAULT_SALT:
        wrong.append(
            f"salt must be {DEFAULT_SALT}, not {recipe.salt}: an archive keeps the sides of its "
            "patients under that salt alone"
        )
    return recipe, wrong


def of_every_fit(options: Sequence[str]) -> list[str]:
    """The knobs of a fit anew that make sense for one that goes on from a bundle as well."""
    return [option for option in options if option.partition("=")[0] in _OF_EVERY_FIT]
