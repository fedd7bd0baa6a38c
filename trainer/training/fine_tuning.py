"""A fit that goes on from a bundle: its recipe, and its material."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import DataSummary
from streamer.core.variables import VariableTable
from trainer.data.dataset import Material
from trainer.data.gathering import also_seen
from trainer.data.learned_stays import learned_from
from trainer.errors import InputError
from trainer.training.loop import architecture_of
from trainer.training.recipe import Recipe


def fine_tuning_of(start: Bundle) -> Recipe:
    """The recipe that goes on from a bundle.

    Raises:
        BundleError: it cannot be used.
    """
    budget = start.manifest.get("alert_budget", {}).get("budget")
    return Recipe().fine_tuning(build.build(start).architecture, budget)


def goes_on_from(
    start: Bundle, recipe: Recipe, material: Material, summary: DataSummary
) -> tuple[Material, DataSummary]:
    """The material with a bundle's weights and scaling; its patients are known to both then.

    Raises:
        InputError: the recipe has other sizes, or the stays other variables.
    """
    model = build.build(start)
    variables = material.cohort.variables
    if model.variables.key != variables.key:
        raise InputError(
            f"the bundle that it starts from has the variables {_own_names(model.variables)} of "
            f"its own and these stays have {_own_names(variables)}; a network goes on with its own "
            "inputs alone: fit anew, or take the same `new_variables`"
        )
    if model.architecture != architecture_of(recipe, variables):
        raise InputError(
            "the knobs of a network's size are those of the bundle that it starts from"
        )
    known = material.cohort.take(
        np.sort(np.concatenate([material.split.train, material.split.validation]))
    )
    summary = {**summary, **also_seen(start.manifest, known)}
    learned = learned_from(start.manifest, material.cohort)
    return replace(material, scaling=model.scaling, start=model.network, learned=learned), summary


def _own_names(variables: VariableTable) -> str:
    return ", ".join(name for name, _ in variables.key) or "none"
