"""The plots of a fitted model: loss, ROC, precision and recall, reliability, utility."""

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

from trainer.data.labels import hours_from_onset
from trainer.metrics.calibration_error import expected_calibration_error, reliability_points
from trainer.metrics.definitions import Scored
from trainer.metrics.ranking import auprc, auroc, curve

DPI: Final = 120
MOST_POINTS: Final = 2000  # a curve of a million rows looks the same with these and is fast

LEAST_HERE: Final = 5
"""Of fewer stays with an hour, a share is no point of a curve."""

INK: Final = "#1f4e79"
_QUIET: Final = "#999999"
MARK: Final = "#c0392b"


def plot_loss(losses: Mapping[str, Sequence[float]], folder: Path, best: int) -> Path:
    """Draws ``loss.png``: a line for each name, which says whose loss; a point for each epoch.

    Args:
        losses: one value for each epoch, beginning with epoch 1.
        folder: an existing folder.
        best: the epoch whose weights were kept.
    """
    figure, axes = blank("Loss against the labels", "epoch", "weighted loss per hour")
    for (name, values), style in zip(losses.items(), ("-o", "-s", "--^", ":v") * 8, strict=False):
        axes.plot(range(1, len(values) + 1), values, style, markersize=3, label=name)
    axes.axvline(best, color=MARK, linestyle=":", label=f"kept: epoch {best}")
    n_epochs = max(len(values) for values in losses.values())
    axes.set_xlim(0.5, n_epochs + 0.5)  # one epoch alone is drawn in the middle
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _with_legend(figure, folder / "loss.png")


def plot_roc(
    label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path, whose: str
) -> Path:
    """Draws ``roc.png`` over all hours.

    Args:
        label: (R,) 0 or 1, both must occur.
        risk: (R,) score of each hour.
        folder: an existing folder.
        whose: the stays, and how many.
    """
    points = curve(label, risk)
    figure, axes = blank(f"ROC, every hour\n{whose}", "1 - specificity", "sensitivity")
    shown = thinned(len(points.threshold))
    axes.plot(
        np.append(0, points.false_positive_rate[shown]),
        np.append(0, points.sensitivity[shown]),
        color=INK,
        label=f"AUROC {auroc(label, risk):.3f}",
    )
    axes.plot([0, 1], [0, 1], color=_QUIET, linestyle=":", label="chance")
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    return _with_legend(figure, folder / "roc.png")


def plot_precision_recall(
    label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path, whose: str
) -> Path:
    """Draws ``precision_recall.png`` over all hours; arguments as ``plot_roc``."""
    points = curve(label, risk)
    figure, axes = blank(
        f"Precision and recall, every hour\n{whose}", "sensitivity (recall)", "precision (PPV)"
    )
    shown = thinned(len(points.threshold))
    axes.plot(
        points.sensitivity[shown],
        points.precision[shown],
        color=INK,
        drawstyle="steps-pre",  # each more of recall has the precision that it is reached with
        label=f"AUPRC {auprc(label, risk):.3f}",
    )
    share = float(np.mean(label == 1))
    axes.axhline(share, color=_QUIET, linestyle=":", label=f"chance {share:.3f}")
    # Precision of the first few rows jumps between 0 and 1 and would squeeze the rest.
    settled = points.precision[points.sensitivity >= 0.01]
    axes.set(xlim=(0, 1), ylim=(0, min(1.01, 1.15 * float(settled.max()))))
    return _with_legend(figure, folder / "precision_recall.png")


def plot_reliability(
    label: NDArray[np.integer], risk: NDArray[np.floating], folder: Path, whose: str
) -> Path:
    """Draws ``reliability.png``: observed share of positives against risk, in the bins of the ECE.

    Arguments as ``plot_roc``; ``risk`` is a probability.
    """
    mean, share = reliability_points(label, risk)
    figure, axes = blank(
        f"Reliability, every hour\n{whose}", "predicted risk", "observed share of positives"
    )
    error = expected_calibration_error(label, risk)
    drawn = share > 0
    name = f"ECE {error:.4f}"
    if n_without := int((~drawn).sum()):  # a logarithmic axis has no 0
        name += f"; {n_without} of {len(share)} bins have no positive hour and no point"
    axes.plot(mean[drawn], share[drawn], "-o", color=INK, label=name)
    both = np.concatenate([mean[mean > 0], share[drawn]])
    span = (0.7 * float(both.min()), min(1.0, 1.4 * float(both.max()))) if len(both) else (0.01, 1)
    axes.plot(span, span, color=_QUIET, linestyle=":", label="perfect")
    # Risks lie around 1 %: on a linear scale all bins but one would be in a corner.
    axes.set(xscale="log", yscale="log", xlim=span, ylim=span, aspect="equal")
    return _with_legend(figure, folder / "reliability.png")


def plot_utility(
    thresholds: NDArray[np.float64],
    utilities: NDArray[np.float64],
    chosen: float,
    folder: Path,
    whose: str,
    measure: str = "utility",
) -> Path:
    """Draws ``utility.png``: normalised utility against threshold, as of ``utility_curve``.

    Args:
        thresholds: (K,) falling.
        utilities: (K,) of "positive above the threshold".
        chosen: the threshold in the bundle.
        folder: an existing folder.
        whose: the stays on which it is chosen, and how many.
        measure: that it is chosen by, where that is not the utility.
    """
    figure, axes = blank(
        f"{measure.capitalize()} against threshold, which is chosen on\n{whose}",
        "threshold (risk)",
        "normalised utility" if measure == "utility" else measure,
    )
    shown = thinned(len(thresholds))
    shown = shown[thresholds[shown] > 0]
    axes.plot(thresholds[shown], utilities[shown], color=INK)
    at = float(utilities[np.abs(thresholds - chosen).argmin()])
    axes.axvline(
        chosen, color=MARK, linestyle=":", label=f"chosen: {chosen:.4f}, {measure} {at:.3f}"
    )
    axes.axhline(0, color=_QUIET, linewidth=0.8)
    axes.set(xscale="log")
    return _with_legend(figure, folder / "utility.png")


def plot_alerts(scored: Scored, folder: Path, whose: str) -> Path:
    """Draws ``alerts.png``: septic stays under an alert by the hours to onset, and other stays.

    The line of the other stays is the share of their hours under an alert, at any time.

    Args:
        scored: the stays with their alerts.
        folder: an existing folder.
        whose: the stays, and how many.
    """
    hours = hours_from_onset(scored.label, scored.starts)
    figure, axes = blank(f"Stays under an alert\n{whose}", "hours from onset", "share of stays")
    shown, share, starts = [], [], []
    for hour in range(-48, 4):
        here = hours == hour
        if here.sum() >= LEAST_HERE:
            shown.append(hour)
            share.append(float(scored.alert_on[here].mean()))
            starts.append(float(scored.alert_starts[here].mean()))
    axes.plot(shown, share, color=INK, label="septic stays under an alert")
    axes.plot(shown, starts, "--", color=MARK, label="septic stays in which one starts")
    others = np.isneginf(hours)
    if others.any():
        part = float(scored.alert_on[others].mean())
        name = f"hours of other stays under an alert: {part:.2f}"
        axes.axhline(part, color=_QUIET, linestyle=":", label=name)
    axes.axvline(0, color=_QUIET, linewidth=0.8)
    axes.set(ylim=(0, 1.01))
    return _with_legend(figure, folder / "alerts.png")


def counted(what: str, label: NDArray[np.integer], starts: NDArray[np.int64], kind: str) -> str:
    """The stays of a picture, and how many.

    >>> counted("test stays", np.array([0, 0, 1]), np.array([0, 1, 3]), "septic")
    '2 test stays, 1 septic'
    """
    n_positive = int((np.maximum.reduceat(label, starts[:-1]) == 1).sum())
    return f"{len(starts) - 1:,} {what}, {n_positive:,} {kind}"


def canvas(size: tuple[float, float]) -> Figure:
    """An empty figure; width and height in inches."""
    # Without pyplot there is no global state, no search for a display, and nothing to close.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def blank(title: str, x: str, y: str, size: tuple[float, float] = (6, 5)) -> tuple[Figure, Axes]:
    """An empty plot with title and axis labels; size in inches."""
    figure = canvas(size)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    return figure, axes


def thinned(n: int) -> NDArray[np.int64]:
    """Indices of the points to draw: all, or ``MOST_POINTS`` evenly spaced with both ends."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).astype(np.int64))


def _with_legend(figure: Figure, file: Path) -> Path:
    """Writes a PNG with its legend below the axes, where no data can be."""
    figure.legend(loc="outside lower center", ncols=2)
    return save_png(figure, file)


def save_png(figure: Figure, file: Path) -> Path:
    """Writes a PNG and returns its path."""
    figure.savefig(file, dpi=DPI)
    return file
