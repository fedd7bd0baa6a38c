"""The figures of a model on held-out patients, whole, by hospital and by subgroup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamer.core.model import Model
from trainer.decisions.predictions import Predictions
from trainer.metrics.report import report
from trainer.metrics.subgroups import subgroups


def figures_of(
    predictions: Predictions,
    model: Model,
    model_id: str,
    n_bootstrap: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The object of ``trainer evaluate --json`` for what a model said."""
    return report(
        predictions.scored(),
        threshold=model.threshold,
        alert_threshold=model.policy.medium,
        model=model_id,
        n_bootstrap=n_bootstrap,
        progress=progress,
    )


def subgroup_figures(
    predictions: Predictions,
    model: Model,
    n_bootstrap: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The same for each sex, age band and unit that can be measured."""
    scored = predictions.scored()
    found = {}
    for name, stays in subgroups(predictions.cohort).items():
        part = report(
            scored.take(stays),
            threshold=model.threshold,
            alert_threshold=model.policy.medium,
            model="",
            n_bootstrap=n_bootstrap,
            progress=progress,
        )
        found[name] = {
            key: value
            for key, value in part.items()
            if key not in ("by_site", "model", "threshold", "alert_threshold")
        }
    return found


def without_id(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures for a manifest: a bundle's id is a hash of it, so it cannot name the bundle."""
    by_site = {
        name: {key: value for key, value in part.items() if key != "model"}
        for name, part in figures["by_site"].items()
    }
    return {key: value for key, value in figures.items() if key != "model"} | {"by_site": by_site}
