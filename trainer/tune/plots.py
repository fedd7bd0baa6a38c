"""The plots of a hyperparameter search: score of each trial, and importance of each knob."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from trainer.reports.plots import INK, MARK, blank, save_png


def plot_trials(scores: Mapping[int, float], first: float | None, folder: Path, whose: str) -> Path:
    """Draws ``history.png``: the score of each trial of a search, and the best one so far.

    Args:
        scores: score of each complete trial by its number, in order of the numbers.
        first: score of the baseline recipe, if its trial is complete.
        folder: an existing folder.
        whose: the patients that they are scored on, and how many.
    """
    numbers, values = list(scores), np.array(list(scores.values()))
    figure, axes = blank(
        f"{len(numbers)} complete trials of the search\n{whose}",
        "trial",
        "validation utility + AUROC",
    )
    axes.plot(numbers, values, "o", color=INK, markersize=4, label="complete trial")
    best = np.maximum.accumulate(values)
    axes.step(numbers, best, where="post", color=INK, linewidth=1, label="best so far")
    if first is not None:
        axes.axhline(first, color=MARK, linestyle=":", label=f"baseline recipe {first:.4f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=3)  # beside the points, of which it hid one
    return save_png(figure, folder / "history.png")


def plot_importances(
    importances: Mapping[str, float], n_trials: int, folder: Path, whose: str
) -> Path:
    """Draws ``importance.png``: the share of the score's variance that each knob explains.

    Args:
        importances: share by knob, the largest first.
        n_trials: complete trials that the shares were estimated from.
        folder: an existing folder.
        whose: the patients that they are scored on, and how many.
    """
    title = f"Importance of each knob, from {n_trials} trials\n{whose}"
    figure, axes = blank(title, "share of the score's variance", "")
    names = list(importances)[::-1]  # bars are drawn from below: the first is on top
    axes.barh(names, [importances[name] for name in names], color=INK)
    axes.set(xlim=(0, 1))
    return save_png(figure, folder / "importance.png")
