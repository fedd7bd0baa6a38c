"""Fits over folds: each person is a test patient once, and figures have a spread.

A fit on one split says nothing of the luck of that split. Here K fits share the data; fold k tests
on the k-th part of the persons, chooses on the next and learns from the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from streamer.bundles.manifest import Figures
from trainer.data.split_rules import LEAST_FOLDS, fold
from trainer.errors import InputError
from trainer.fit import Stays, fit
from trainer.progress import Reporter
from trainer.reports.metric_words import SHOWN as FIGURES
from trainer.training.recipe import Recipe

FILE: Final = "folds.json"
SHOWN: Final = ("utility", "auroc", "auprc", "ece", "brier", "alerts_per_patient_day")


@dataclass(frozen=True, slots=True)
class FoldFigures:
    """Figures of each fold on its own test patients.

    Attributes:
        of_fold: K objects as ``trainer evaluate --json``.
    """

    of_fold: list[Figures]

    def over_folds(self) -> dict[str, dict[str, float]]:
        """Mean, standard deviation, least and most of each shown figure."""
        columns = {name: np.array([part[name] for part in self.of_fold]) for name in SHOWN}
        return {
            name: {
                "mean": float(column.mean()),
                "sd": float(column.std(ddof=1)),
                "low": float(column.min()),
                "high": float(column.max()),
            }
            for name, column in columns.items()
        }

    def lines(self) -> list[str]:
        """The figures, for people."""
        n = len(self.of_fold)
        return [
            f"test patients of {n} folds, {FIGURES[name]}: mean {part['mean']:.3f}, "
            f"standard deviation {part['sd']:.3f}, from {part['low']:.3f} to {part['high']:.3f}"
            for name, part in self.over_folds().items()
        ]


def fit_folds(
    data: Stays, out: Path, recipe: Recipe, n_folds: int, *, reporter: Reporter
) -> FoldFigures:
    """Fits a bundle for each fold, into ``fold-1`` and on, and writes ``folds.json``.

    Args:
        data: files or stays, and their task; the split is the folds'.
        out: gets the folds.
        recipe: knobs; its salt is the folds', its fractions follow from their number.
        n_folds: K, at least ``LEAST_FOLDS``.
        reporter: shows the progress.

    Raises:
        InputError: too few folds; else as ``fit``.
    """
    if n_folds < LEAST_FOLDS:
        raise InputError(f"{n_folds} folds: at least {LEAST_FOLDS} are needed")
    cohort = data.read(reporter)
    figures = []
    for k in range(n_folds):
        reporter.say(f"fold {k + 1} of {n_folds}")
        rule = fold(recipe.salt, k, n_folds)
        own = replace(recipe, fractions=rule.fractions)
        folder = out / f"fold-{k + 1}"
        figures.append(fit(Stays(cohort, rule), folder, own, reporter=reporter, n_bootstrap=0).test)
    over = FoldFigures(figures)
    content = {"over_folds": over.over_folds(), "folds": figures}
    (out / FILE).write_text(json.dumps(content, indent=1) + "\n")
    return over
