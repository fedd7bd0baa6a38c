"""A fit that goes on from a bundle: its weights and scaling, and whom it knows already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import DataSummary
from trainer.data.dataset import Material
from trainer.data.gathering import also_seen
from trainer.data.known_stays import not_fitted_on
from trainer.errors import InputError
from trainer.progress import Reporter
from trainer.training.loop import architecture_of
from trainer.training.recipe import Recipe


def goes_on_from(
    start: Bundle, recipe: Recipe, material: Material, summary: DataSummary
) -> tuple[Material, DataSummary]:
    """The material with a bundle's weights and scaling; its patients are known to both then.

    Raises:
        InputError: the recipe has other sizes.
    """
    model = build.build(start)
    if model.architecture != architecture_of(recipe):
        raise InputError(
            "the knobs of a network's size are those of the bundle that it starts from"
        )
    known = material.cohort.take(
        np.sort(np.concatenate([material.split.train, material.split.validation]))
    )
    summary = {**summary, **also_seen(start.manifest, known)}
    return replace(material, scaling=model.scaling, start=model.network), summary


def unknown_to(
    start: Bundle, material: Material, test: NDArray[np.int64], reporter: Reporter
) -> NDArray[np.int64]:
    """The test stays without those that the bundle gone on from was fitted on.

    Its split may have been another one: its own training patients would flatter the figures.
    """
    left = not_fitted_on(start.manifest, material.cohort, test)
    if len(left) < len(test):
        validation = material.split.validation
        n = len(validation) - len(not_fitted_on(start.manifest, material.cohort, validation))
        reporter.say(
            f"warning: bundle {start.shown_id} was fitted on {len(test) - len(left)} of the "
            f"{len(test)} test patients, who are left out, and on {n} of the {len(validation)} "
            "validation patients, so that risks may be too extreme: give the split of the bundle"
        )
    return left
