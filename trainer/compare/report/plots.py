"""The pictures of a comparison: curves on test patients, and differences to the final model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.compare.protocol.family import Level
from trainer.compare.report.findings import Findings, RankedEntry
from trainer.decisions.alert_replay import PolicyRule, alert_starts
from trainer.decisions.thresholds import utility_curve
from trainer.metrics.calibration_error import reliability_points
from trainer.metrics.definitions import Scored, lead_hours
from trainer.metrics.ranking import curve
from trainer.reports.plots import blank, canvas, counted, save_png, thinned

WIDE: Final = (8.5, 5.0)  # the legend stands beside the curves

# Okabe and Ito's colours, which people with any kind of colour vision tell apart. Each has a dash
# of its own, for prints in black and white.
_STYLES: Final[tuple[tuple[str, Any], ...]] = (
    ("#000000", "-"),
    ("#D55E00", "--"),
    ("#0072B2", "-."),
    ("#009E73", ":"),
    ("#CC79A7", (0, (5, 1, 1, 1, 1, 1))),
    ("#E69F00", (0, (8, 2))),
    ("#56B4E9", (0, (2, 1))),
)
_QUIET: Final = "#999999"
_SETTLED: Final = 0.01  # sensitivity
_N_ALERT_THRESHOLDS: Final = 40
_MOST_ALERTS: Final = 1.5  # per patient-day: staff would ignore more than one in 16 hours
LONGEST_LEAD, LATEST = 48, 6  # hours before and after onset; records of septic stays end soon after


@dataclass(frozen=True, slots=True)
class _Line:
    """A model in the pictures, with the patients of all of them."""

    name: str
    color: str
    dash: Any
    test: Scored
    validation: Scored
    threshold: float
    medium: float

    @property
    def whose(self) -> str:
        """The test stays, and how many."""
        return counted("test stays", self.test.label, self.test.starts, "septic")


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Draws all pictures into a folder, which is made if need be; returns their files."""
    folder.mkdir(exist_ok=True)
    lines = [
        _Line(
            model.name,
            color,
            dash,
            model.entry.on_test(findings.held_out),
            model.entry.on_validation(findings.held_out),
            model.entry.operating_point.threshold,
            model.entry.operating_point.policy.medium,
        )
        for model, (color, dash) in zip(shown(findings), _STYLES, strict=False)
    ]
    return [
        _differences(findings, folder),
        _utility(lines, folder),
        _roc(lines, folder),
        _precision_recall(lines, folder),
        _reliability(lines, folder),
        _lead(lines, folder),
        _alerts(lines, folder),
    ]


def shown(findings: Findings) -> list[RankedEntry]:
    """The final model, its average with the trees, and the best model of each level.

    The best is that on validation patients: test patients have no part in the choice. There are no
    more than a picture can hold.
    """
    chosen = [findings.final, *(m for m in findings.families if not m.entry.attempts)]
    for level in (Level.WINDOW, Level.SEQUENCE, Level.SNAPSHOT, Level.REFERENCE):
        fitted = [m for m in findings.families if m.entry.level is level and m.entry.attempts]
        if fitted:
            chosen.append(max(fitted, key=_quality))
    return chosen


def _quality(ranked: RankedEntry) -> float:
    return max(attempt.quality for attempt in ranked.entry.attempts)


def _differences(findings: Findings, folder: Path) -> Path:
    """Each live model's difference to the final one, with its interval."""
    # Models that know the true status are so far away that the others would be one point.
    live = [model for model in findings.families if model.entry.level is not Level.TRUTH]
    ranked = sorted(live, key=lambda model: model.standing.differences["utility"].value)
    figure = canvas((11.0, 2.0 + 0.27 * len(ranked)))
    held_out = findings.held_out
    whose = counted("test stays", held_out.test.label, held_out.test.starts, "septic")
    figure.suptitle(f"Each model against the final LSTM, on the same {whose}")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, metric in zip(panels, ("utility", "auroc"), strict=True):
        differences = [model.standing.differences[metric] for model in ranked]
        by = np.array([difference.value for difference in differences])
        low = np.array([difference.low for difference in differences])
        high = np.array([difference.high for difference in differences])
        panel.errorbar(
            by,
            np.arange(len(ranked)),
            xerr=np.maximum(0, [by - low, high - by]),
            fmt="o",
            markersize=4,
            color=_STYLES[2][0],
            capsize=2,
        )
        panel.axvline(0, color=_STYLES[0][0], linewidth=0.8)
        words = "normalised utility" if metric == "utility" else "AUROC, hours"
        panel.set(title=words, xlabel="model less final LSTM, 95 % interval")
        panel.grid(alpha=0.25)
    panels[0].set_yticks(np.arange(len(ranked)), [model.name for model in ranked])
    return save_png(figure, folder / "differences.png")


def _utility(lines: Sequence[_Line], folder: Path) -> Path:
    figure, axes = blank(
        f"Utility against threshold\n{lines[0].whose}",
        "threshold (calibrated risk)",
        "normalised utility",
        WIDE,
    )
    for line in lines:
        thresholds, utilities = utility_curve(line.test.label, line.test.starts, line.test.risk)
        some = thinned(len(thresholds))
        some = some[thresholds[some] > 0]
        _draw(axes, line, thresholds[some], utilities[some])
        at = utilities[np.abs(thresholds - line.threshold).argmin()]
        axes.plot(line.threshold, at, "o", color=line.color)
    axes.axhline(0, color=_QUIET, linewidth=0.8)
    # Far below the chosen thresholds nearly every hour is positive, at a large loss of utility.
    least = min(line.threshold for line in lines) / 10
    axes.set(xscale="log", xlim=(least, 1), ylim=(-0.25, None))
    return _with_legend(figure, axes, folder / "utility.png")


def _roc(lines: Sequence[_Line], folder: Path) -> Path:
    figure, axes = blank(
        f"ROC, every hour\n{lines[0].whose}", "1 - specificity", "sensitivity", WIDE
    )
    for line in lines:
        points = curve(line.test.label, line.test.risk)
        some = thinned(len(points.threshold))
        _draw(
            axes,
            line,
            np.append(0, points.false_positive_rate[some]),
            np.append(0, points.sensitivity[some]),
        )
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=0.8, label="chance")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    return _with_legend(figure, axes, folder / "roc.png")


def _precision_recall(lines: Sequence[_Line], folder: Path) -> Path:
    figure, axes = blank(
        f"Precision and recall, every hour\n{lines[0].whose}",
        "sensitivity (recall)",
        "precision (PPV)",
        WIDE,
    )
    highest = 0.0
    for line in lines:
        points = curve(line.test.label, line.test.risk)
        some = thinned(len(points.threshold))
        # The first few rows of the ranking jump between 0 and 1 and would squeeze the rest.
        some = some[points.sensitivity[some] >= _SETTLED]
        _draw(axes, line, points.sensitivity[some], points.precision[some], drawstyle="steps-pre")
        highest = max(highest, float(points.precision[some].max()))
    share = float(np.mean(lines[0].test.label == 1))
    axes.axhline(share, color=_QUIET, linewidth=0.8, label="chance")
    axes.set(xlim=(0, 1), ylim=(0, min(1.01, 1.1 * highest)))
    return _with_legend(figure, axes, folder / "precision_recall.png")


def _reliability(lines: Sequence[_Line], folder: Path) -> Path:
    figure, axes = blank(
        f"Reliability, every hour\n{lines[0].whose}",
        "mean risk given, in bins of equal numbers of hours",
        "share that was positive (bins without a positive hour are not drawn)",
        WIDE,
    )
    both = [np.array([0.01])]
    for line in lines:
        mean, share = reliability_points(line.test.label, line.test.risk)
        drawn = (share > 0) & (mean > 0)
        _draw(axes, line, mean[drawn], share[drawn], marker="o", markersize=3)
        both += [mean[drawn], share[drawn]]
    every = np.concatenate(both)
    span = (0.7 * float(every.min()), min(1.0, 1.4 * float(every.max())))
    axes.plot(span, span, color=_QUIET, linewidth=0.8, label="perfect")
    axes.set(xscale="log", yscale="log", xlim=span, ylim=span)
    return _with_legend(figure, axes, folder / "reliability.png")


def _lead(lines: Sequence[_Line], folder: Path) -> Path:
    """Share of septic stays in which an alert started so many hours before onset, or earlier.

    Starts earlier than ``LONGEST_LEAD`` hours before onset count for none of them.
    """
    figure, axes = blank(
        f"Lead time of alerts\n{lines[0].whose}",
        "hours before onset",
        "share of septic stays in which an alert has started by then,\n"
        f"{LONGEST_LEAD} hours before onset or later",
        WIDE,
    )
    hours = np.arange(LONGEST_LEAD, -LATEST - 1, -1)
    for line in lines:
        septic = np.maximum.reduceat(line.test.label, line.test.starts[:-1]) == 1
        lead = lead_hours(line.test.alert_starts, line.test.label, line.test.starts)[septic]
        share = [(lead >= hour).mean() for hour in hours]
        _draw(axes, line, hours, np.array(share))
    axes.axvline(0, color=_QUIET, linewidth=0.8)
    axes.set(xlim=(LONGEST_LEAD, -LATEST), ylim=(0, 1))
    return _with_legend(figure, axes, folder / "lead_time.png")


def _alerts(lines: Sequence[_Line], folder: Path) -> Path:
    """Share of septic stays found against alerts, over the medium thresholds of the policy."""
    figure, axes = blank(
        f"Alerts against sensitivity\n{lines[0].whose}",
        "alert starts per patient-day",
        "share of septic stays found (48 h before onset or later)",
        WIDE,
    )
    most = 0.0
    for line in lines:
        validation = line.validation
        rule = PolicyRule(validation.label, validation.starts, validation.risk)
        above = 1 - np.geomspace(1e-4, 0.7, _N_ALERT_THRESHOLDS)
        falling = np.unique(np.quantile(validation.risk, above))[::-1]
        points = np.array([_alert_point(line.test, rule, medium) for medium in falling])
        # Still lower thresholds give fewer alerts: each lasts, and began too early to count.
        points = points[: points[:, 0].argmax() + 1]
        most = max(most, 1.05 * float(points[-1, 0]))
        _draw(axes, line, *points.T)
        axes.plot(*_alert_point(line.test, rule, line.medium), "o", color=line.color)
    axes.set(xlim=(0, min(most, _MOST_ALERTS)), ylim=(0, 1))
    return _with_legend(figure, axes, folder / "alerts.png")


def _alert_point(test: Scored, rule: PolicyRule, medium: float) -> tuple[float, float]:
    starts = alert_starts(test.risk, test.starts, rule.complete(medium))
    n_septic = (np.maximum.reduceat(test.label, test.starts[:-1]) == 1).sum()
    n_alerted = np.isfinite(lead_hours(starts, test.label, test.starts)).sum()
    return float(starts.sum() / (len(starts) / 24)), float(n_alerted / n_septic)


def _draw(axes: Axes, line: _Line, x: NDArray[Any], y: NDArray[np.floating], **more: Any) -> None:
    axes.plot(x, y, color=line.color, linestyle=line.dash, label=line.name, **more)


def _with_legend(figure: Figure, axes: Axes, file: Path) -> Path:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return save_png(figure, file)
