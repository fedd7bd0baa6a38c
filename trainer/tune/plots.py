"""The pictures of a search for a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from trainer.reports.plots import blank, written

_INK: Final = "#1f4e79"
_MARK: Final = "#c0392b"


def plot_trials(scores: Mapping[int, float], first: float | None, folder: Path) -> Path:
    """Draws ``history.png``: the score of each trial of a search, and the best one so far.

    Args:
        scores: of the complete trials, by number, rising.
        first: that of the recipe to be beaten, where it is complete.
        folder: must be there.
    """
    figure, axes = blank("Trials of the search", "trial", "validation utility + AUROC")
    numbers, values = list(scores), np.array(list(scores.values()))
    axes.plot(numbers, values, "o", color=_INK, markersize=4, label="complete trial")
    best = np.maximum.accumulate(values)
    axes.step(numbers, best, where="post", color=_INK, linewidth=1, label="best so far")
    if first is not None:
        axes.axhline(first, color=_MARK, linestyle=":", label=f"recipe to be beaten {first:.4f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")
    return written(figure, folder / "history.png")


def plot_importances(importances: Mapping[str, float], n_trials: int, folder: Path) -> Path:
    """Draws ``importance.png``: the share of the score's spread that each knob explains.

    Args:
        importances: by knob, most first.
        n_trials: that this was told from.
        folder: must be there.
    """
    title = f"What the score depends on, as {n_trials} trials tell"
    figure, axes = blank(title, "share of its spread over trials", "")
    names = list(importances)[::-1]  # the first of them on top
    axes.barh(names, [importances[name] for name in names], color=_INK)
    axes.set(xlim=(0, 1))
    return written(figure, folder / "importance.png")
