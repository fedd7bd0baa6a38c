"""The pictures that training and evaluation leave in their folder, one PNG each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from trainer.metrics.calibration_error import expected_calibration_error, reliability_points
from trainer.metrics.ranking import auprc, auroc, curve

DPI: Final = 120
MOST_POINTS: Final = 2000  # a curve of a million rows looks the same with these and draws at once

_INK: Final = "#1f4e79"
_QUIET: Final = "#999999"
_MARK: Final = "#c0392b"


def plot_loss(losses: Mapping[str, Sequence[float]], folder: Path, best: int | None = None) -> Path:
    """Draws ``loss.png``: a line for each name (train, validation ...), a point for each epoch.

    Args:
        losses: one value for each epoch, the first epoch is 1.
        folder: must be there.
        best: the epoch that was kept.
    """
    figure, axes = blank("Loss", "epoch", "weighted loss per hour")
    for (name, values), style in zip(losses.items(), ("-o", "-s", "--^", ":v") * 8, strict=False):
        axes.plot(range(1, len(values) + 1), values, style, markersize=3, label=name)
    if best is not None:
        axes.axvline(best, color=_MARK, linestyle=":", label=f"kept: epoch {best}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return written(figure, folder / "loss.png")


def plot_roc(label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path) -> Path:
    """Draws ``roc.png`` over all rows; both classes must be there."""
    points = curve(label, risk)
    figure, axes = blank("ROC, every hour", "1 - specificity", "sensitivity")
    shown = thinned(len(points.threshold))
    axes.plot(
        np.append(0, points.false_positive_rate[shown]),
        np.append(0, points.sensitivity[shown]),
        color=_INK,
        label=f"AUROC {auroc(label, risk):.3f}",
    )
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", label="chance")
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.legend(loc="lower right")
    return written(figure, folder / "roc.png")


def plot_precision_recall(
    label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path
) -> Path:
    """Draws ``precision_recall.png`` over all rows; both classes must be there."""
    points = curve(label, risk)
    figure, axes = blank(
        "Precision and recall, every hour", "sensitivity (recall)", "precision (PPV)"
    )
    shown = thinned(len(points.threshold))
    axes.plot(
        points.sensitivity[shown],
        points.precision[shown],
        color=_INK,
        drawstyle="steps-post",
        label=f"AUPRC {auprc(label, risk):.3f}",
    )
    share = float(np.mean(label == 1))
    axes.axhline(share, color=_QUIET, linestyle=":", label=f"chance {share:.3f}")
    # The first few rows of the ranking jump between 0 and 1 and would squeeze the rest.
    settled = points.precision[points.sensitivity >= 0.01]
    axes.set(xlim=(0, 1), ylim=(0, min(1.01, 1.15 * float(settled.max()))))
    axes.legend(loc="upper right")
    return written(figure, folder / "precision_recall.png")


def plot_reliability(label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path) -> Path:
    """Draws ``reliability.png``: share of positives against risk in the bins of the ECE."""
    mean, share = reliability_points(label, risk)
    figure, axes = blank("Reliability, every hour", "risk given", "share that was positive")
    error = expected_calibration_error(label, risk)
    drawn = share > 0
    axes.plot(mean[drawn], share[drawn], "-o", color=_INK, label=f"ECE {error:.4f}")
    both = np.concatenate([mean[mean > 0], share[drawn]])
    span = (0.7 * float(both.min()), min(1.0, 1.4 * float(both.max()))) if len(both) else (0.01, 1)
    axes.plot(span, span, color=_QUIET, linestyle=":", label="perfect")
    # Risks lie around 1 %: on a straight scale all but one bin would be in a corner.
    axes.set(xscale="log", yscale="log", xlim=span, ylim=span, aspect="equal")
    axes.legend(loc="upper left")
    return written(figure, folder / "reliability.png")


def plot_utility(
    thresholds: NDArray[np.float64], utilities: NDArray[np.float64], chosen: float, folder: Path
) -> Path:
    """Draws ``utility.png``: normalised utility against threshold, as ``utility_curve`` gives them.

    Args:
        thresholds: (K,) falling.
        utilities: (K,) of "positive above the threshold".
        chosen: the threshold that the bundle keeps.
        folder: must be there.
    """
    figure, axes = blank("Utility against threshold", "threshold (risk)", "normalised utility")
    shown = thinned(len(thresholds))
    shown = shown[thresholds[shown] > 0]
    axes.plot(thresholds[shown], utilities[shown], color=_INK)
    at = float(utilities[np.abs(thresholds - chosen).argmin()])
    axes.axvline(chosen, color=_MARK, linestyle=":", label=f"{chosen:.4f}: utility {at:.3f}")
    axes.axhline(0, color=_QUIET, linewidth=0.8)
    axes.set(xscale="log")
    axes.legend(loc="lower right")
    return written(figure, folder / "utility.png")


def canvas(size: tuple[float, float]) -> Figure:
    """An empty figure of so many inches."""
    # Without pyplot: no global state, no display looked for, nothing to close.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def blank(title: str, x: str, y: str, size: tuple[float, float] = (6, 5)) -> tuple[Figure, Axes]:
    """An empty picture with its title and labels."""
    figure = canvas(size)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    return figure, axes


def thinned(n: int) -> NDArray[np.int64]:
    """Indices of points to draw: all of few, else the ends and those between evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(np.int64))


def written(figure: Figure, file: Path) -> Path:
    """Writes a picture and says where."""
    figure.savefig(file, dpi=DPI)
    return file
