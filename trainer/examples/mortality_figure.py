"""The figure of ``trainer example mortality``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.examples import drawing
from trainer.examples.estimates import Estimate
from trainer.examples.ranked import Comparison
from trainer.metrics.ranking import curve

Floats = NDArray[np.float64]


def draw_mortality(
    died: NDArray[np.bool_],
    scores: Mapping[str, Floats],
    compared: Comparison,
    hours: Sequence[int],
    by_hour: Sequence[Estimate],
    risks: Floats,
) -> Figure:
    """Draws ROC curves, the challenge's score, the ranking by hour, and the risk over time.

    Args:
        died: (N,) of the test patients.
        scores: (N,) by model, at 48 h; the first is the network.
        compared: their figures.
        hours: H hours of the stay.
        by_hour: AUROC of the network at each of them.
        risks: (N, 48) calibrated, of the network.
    """
    figure, (roc, event, ranking, course) = drawing.panels(2, 2, (11, 8))
    colours = drawing.colours_of(list(scores))
    for name, score in scores.items():
        points = curve(died.astype(np.int8), score)
        area = compared.figures[name]["AUROC"].value
        roc.plot(
            np.append(0, points.false_positive_rate),
            np.append(0, points.sensitivity),
            color=colours[name],
            lw=1.4,
            label=f"{name}: {area:.3f}",
        )
    roc.plot([0, 1], [0, 1], ":", color=drawing.QUIET)
    roc.set(title="ROC at 48 h, with AUROC", xlabel="1 - specificity", ylabel="sensitivity")
    roc.legend(fontsize=8, loc="lower right")

    names = list(scores)[::-1]
    event_1 = [compared.figures[name]["min(precision, recall)"] for name in names]
    for i, (name, estimate) in enumerate(zip(names, event_1, strict=True)):
        event.plot([estimate.low, estimate.high], [i, i], color=colours[name], lw=2)
        event.plot(estimate.value, i, "o", color=colours[name], ms=7)
    event.set_yticks(range(len(names)), names)
    event.set(
        title="Event 1 at 48 h, 95 % interval",
        xlabel="the smaller of sensitivity and precision",
        ylim=(-0.5, len(names) - 0.5),
    )

    first = colours[names[-1]]
    ranking.plot(hours, [estimate.value for estimate in by_hour], "-o", color=first, ms=4)
    ranking.fill_between(
        hours,
        [estimate.low for estimate in by_hour],
        [estimate.high for estimate in by_hour],
        color=first,
        alpha=0.2,
        label="95 % interval",
    )
    ranking.axhline(0.5, ls=":", color=drawing.QUIET)
    ranking.set(
        title="How well the LSTM ranks, by hour of the stay",
        xlabel="hours since ICU admission",
        ylabel="AUROC",
    )
    ranking.legend(fontsize=8)

    at = np.arange(1, risks.shape[1] + 1)
    for group, words, colour in (
        (died, "died in hospital", drawing.COLOURS[1]),
        (~died, "lived", drawing.COLOURS[2]),
    ):
        low, middle, high = np.quantile(100 * risks[group], [0.25, 0.5, 0.75], axis=0)
        course.plot(at, middle, color=colour, lw=1.8, label=f"{words} ({int(group.sum())})")
        course.fill_between(at, low, high, color=colour, alpha=0.2)
    course.set(
        title="Its risk over time: median and middle half of patients",
        xlabel="hours since ICU admission",
        ylabel="risk of death in hospital, %",
        ylim=(0, None),
    )
    course.legend(fontsize=8, loc="upper left")
    for axes in (ranking, course):
        axes.set_xticks(range(0, risks.shape[1] + 1, 6))
    return figure
