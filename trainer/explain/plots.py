"""The plots of an explanation: the stay with risks and LSTM, and the influence of measurements.

All panels of the first plot share a time axis. The colours are those of Okabe and Ito (2008), which
colour-blind people can tell apart. Legends and scales stand beside the panels, never in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, MultipleLocator, NullLocator
from numpy.typing import NDArray

from streamer.core.alerts import Phase
from streamer.core.model import ID_DIGITS
from streamer.core.variables import INDEX
from trainer.explain.explanation import Explanation
from trainer.explain.influence import Influence
from trainer.explain.text import NO_DRUGS, percent, spread, unit, with_unit
from trainer.reports.plots import DPI

WIDTH: Final = 1600 / DPI  # inches: 1600 pixels
MOST_LABS: Final = 6  # more strips would push the risk off the screen
MOST_CONTRIBUTORS: Final = 12
LEAST_PERCENT: Final = 0.01  # a risk of zero has no logarithm
RISK_TICKS: Final = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
HOURS_BETWEEN_TICKS: Final = (1, 2, 3, 6, 12, 24)
MOST_TICKS: Final = 20
CROWDED: Final = 150  # dots in a strip; of normal size they would touch

METHOD: Final = (
    "Each measurement is taken out by itself, the features are built anew and the network is run "
    "again: log odds of the 6 h risk, before calibration."
)

SIGNS: Final = ("heart_rate", "map", "resp_rate", "spo2", "temperature")

_BLACK, _GREY = "#000000", "#777777"
_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_ALERT: Final = "#F0E442"
_UNKNOWN: Final = "#DDDDDD"
_HORIZONS: Final = (
    ("within 6 h", _ORANGE, "-", 2.0), ("within 24 h", _BLUE, "--", 1.3),
    ("within 48 h", _GREEN, ":", 1.5),
)  # fmt: skip
_GATES: Final = (("forget", _BLUE, "-"), ("input", _ORANGE, "--"), ("output", _GREEN, "-."))
_DIVERGING: Final = "RdBu_r"
_LEFT, _RIGHT, _LEGEND = 1.95, 2.15, 0.25  # inches beside the panels; from panel to legend
_TOP, _BOTTOM, _GAP = 0.75, 0.55, 0.42  # inches
_NOTES: Final = 0.4  # inches for the notes at the bottom


def draw_stay(explanation: Explanation) -> Figure:
    """Draws inputs, risks, alerts, contributions, gates and cells over the hours of the stay."""
    strips = [INDEX[name] for name in SIGNS if _measured(explanation, INDEX[name])] + labs(
        explanation
    )
    heights = [0.5] * len(strips) + [2.3, 2.6, 1.2, 1.5, 2.3]
    gaps = [0.07] * (len(strips) - 1) + [_GAP] * 5
    figure, panels = _stack(heights, gaps)
    figure.suptitle(
        f"{explanation.patient}, model {explanation.model_id[:ID_DIGITS]}: "
        "inputs, risks, contributions and LSTM state",
        x=_LEFT / WIDTH, y=1 - 0.2 / figure.get_figheight(), ha="left", va="top", fontsize=13,
        parse_math=False,  # an id may hold a dollar sign
    )  # fmt: skip
    signs, (risk, heat, parts, gates, cells) = panels[: len(strips)], panels[len(strips) :]
    for axes, variable in zip(signs, strips, strict=True):
        _strip(axes, explanation, variable)
    if signs:
        _title(signs[0], "Measurements (dots), last values carried forward (lines)")
    _risks(risk, explanation)
    _contributions(heat, explanation)
    _encoder_and_lstm(parts, explanation)
    _gates(gates, explanation)
    _cells(cells, explanation)
    last = max(explanation.hour[-1], explanation.onset if math.isfinite(explanation.onset) else 0)
    for axes in panels:
        axes.set_xlim(explanation.hour[0] - 0.5, last + 0.5)
        _hours(axes)
        axes.tick_params(labelbottom=axes is cells)
        if math.isfinite(explanation.onset):
            axes.axvline(explanation.onset, color=_BLACK, linewidth=1.2, linestyle=(0, (4, 2)))
    cells.set_xlabel("hours since ICU admission (ICULOS)")
    return figure


def draw_influences(explanation: Explanation) -> Figure:
    """Draws the change that each followed measurement makes in later hours, a panel for each."""
    n = max(1, len(explanation.influences))
    figure, panels = _stack([2.1] * n, [0.6] * n, _BOTTOM + _NOTES)
    figure.suptitle(
        f"{explanation.patient}: influence of single measurements over time", x=_LEFT / WIDTH,
        y=1 - 0.15 / figure.get_figheight(), ha="left", va="top", fontsize=13,
        parse_math=False,
    )  # fmt: skip
    for axes, influence in zip(panels, explanation.influences, strict=False):
        _influence(axes, explanation, influence)
    if not explanation.influences:
        _title(panels[0], "No measurement raised the risk at its peak")
    panels[-1].set_xlabel("hours since the measurement")
    figure.text(
        _LEFT / WIDTH,
        0.12 / figure.get_figheight(),
        f"{METHOD}\n{NO_DRUGS}",
        fontsize=8,
        va="bottom",
    )
    return figure


def labs(explanation: Explanation) -> list[int]:
    """The measured variables beside ``SIGNS`` of largest contribution in any hour, at most six."""
    order = np.argsort(-np.abs(explanation.contributions).max(axis=0), kind="stable").tolist()
    names = explanation.variables.names
    others = [v for v in order if names[v] not in SIGNS and _measured(explanation, v)]
    return others[:MOST_LABS]


def _measured(explanation: Explanation, variable: int) -> bool:
    return not bool(np.isnan(explanation.values[:, variable]).all())


def _stack(
    heights: Sequence[float], gaps: Sequence[float], bottom: float = _BOTTOM
) -> tuple[Figure, list[Axes]]:
    """Panels of these heights, one below another, each followed by a gap; all in inches."""
    total = _TOP + sum(heights) + sum(gaps[: len(heights) - 1]) + bottom
    figure = Figure(figsize=(WIDTH, total))
    FigureCanvasAgg(figure)
    width = (WIDTH - _LEFT - _RIGHT) / WIDTH
    panels, top = [], total - _TOP
    for height, gap in zip(heights, [*gaps[: len(heights) - 1], 0.0], strict=True):
        panels.append(
            figure.add_axes((_LEFT / WIDTH, (top - height) / total, width, height / total))
        )
        top -= height + gap
    return figure, panels


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, fontweight="bold")


def _hours(axes: Axes) -> None:
    """Sets hour ticks that divide a day."""
    first, last = axes.get_xlim()
    fits = [step for step in HOURS_BETWEEN_TICKS if (last - first) / step <= MOST_TICKS]
    axes.xaxis.set_major_locator(MultipleLocator(fits[0] if fits else 24))


def _legend(axes: Axes) -> None:
    left = 1 + _LEGEND / (WIDTH - _LEFT - _RIGHT) / 2
    axes.legend(
        loc="upper left", bbox_to_anchor=(left, 1.0), borderaxespad=0, frameon=False, fontsize=9
    )


def _strip(axes: Axes, explanation: Explanation, variable: int) -> None:
    values = explanation.values[:, variable]
    rows = np.flatnonzero(~np.isnan(values))
    newest = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    known = newest >= 0
    axes.step(
        explanation.hour[known], values[newest[known]], where="post", color=_GREY, linewidth=0.9
    )
    axes.plot(
        explanation.hour[rows],
        values[rows],
        "o",
        color=_BLUE,
        markersize=3 if len(rows) < CROWDED else 1.5,
    )
    shown = explanation.variables.all[variable]
    name = f"{shown.display}\n{unit(shown)}".rstrip()
    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=34, fontsize=9)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=2, min_n_ticks=2))
    axes.yaxis.set_label_coords(-0.055, 0.5)
    axes.tick_params(labelsize=8)
    axes.margins(y=0.2)
    axes.grid(axis="x", alpha=0.25)


def _risks(axes: Axes, explanation: Explanation) -> None:
    _title(axes, "Calibrated risk of sepsis onset, and alerts")
    risks = 100 * explanation.risks
    low = max(min(risks[:, 0].min(), 100 * explanation.policy.off), LEAST_PERCENT)
    top = min(
        1.3 * max(risks.max(), 100 * explanation.policy.medium), 105
    )  # room to see how far the alert was
    on: int | None = None
    spans: list[tuple[int, int]] = []
    for row, phase in enumerate(explanation.phases.tolist()):
        if phase == Phase.START:
            on = row
        elif phase == Phase.END and on is not None:
            spans.append((on, row))
            on = None
    if on is not None:
        spans.append((on, len(explanation.hour) - 1))
    for i, (first, last) in enumerate(spans):
        axes.axvspan(
            explanation.hour[first], explanation.hour[last], color=_ALERT, alpha=0.35, linewidth=0,
            label="alert is on" if i == 0 else None,
        )  # fmt: skip
    for i, (name, colour, style, width) in enumerate(_HORIZONS):
        axes.plot(explanation.hour, risks[:, i], style, color=colour, linewidth=width, label=name)
    for phase, mark, colour in (
        (Phase.START, "^", _BLACK), (Phase.ESCALATE, "*", _BLACK), (Phase.END, "X", _GREY),
    ):  # fmt: skip
        rows = np.flatnonzero(explanation.phases == phase)
        if len(rows):
            axes.plot(
                explanation.hour[rows], risks[rows, 0], mark, color=colour, markersize=8,
                label=f"alert {phase.name.lower()}s",
            )  # fmt: skip
    for value, style, name in (
        (explanation.threshold, ":", "positive"), (explanation.policy.medium, "--", "alert"),
        (explanation.policy.high, "-.", "high alert"),
    ):  # fmt: skip
        if 100 * value < top:
            label = f"{name} above {percent(value)}"
            axes.axhline(100 * value, color=_GREY, linewidth=1, linestyle=style, label=label)
    if math.isfinite(explanation.onset):
        axes.plot([], [], color=_BLACK, linewidth=1.2, linestyle=(0, (4, 2)), label="onset (label)")
    axes.set_ylabel("risk, %")
    # A logarithmic scale shows thresholds of some 3 % and risks of 80 % alike.
    axes.set_yscale("log")
    axes.set_ylim(0.8 * low, top)
    axes.yaxis.set_major_locator(FixedLocator(RISK_TICKS))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.25)
    _legend(axes)


def _contributions(axes: Axes, explanation: Explanation) -> None:
    _title(
        axes,
        "Contribution of each variable to the log odds of the 6 h risk (grey: not measured yet)",
    )
    order = np.argsort(-np.abs(explanation.contributions).max(axis=0), kind="stable")
    shown = [v for v in order[:MOST_CONTRIBUTORS].tolist() if _measured(explanation, v)]
    known = np.logical_or.accumulate(~np.isnan(explanation.values[:, shown]), axis=0)
    table = np.where(known, explanation.contributions[:, shown], np.nan).T
    names = [explanation.variables.all[v].display for v in shown]
    _heat(axes, explanation, table, names, "log odds")


def _encoder_and_lstm(axes: Axes, explanation: Explanation) -> None:
    _title(axes, "Log odds of the 6 h risk before calibration: encoder + LSTM")
    for values, name, colour, style in (
        (explanation.encoder_logit, "encoder: features\nof the hour", _BLUE, "-"),
        (explanation.lstm_logit, "LSTM: state of\nthe stay", _ORANGE, "--"),
    ):
        axes.plot(explanation.hour, values, style, color=colour, label=name)
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.set_ylabel("log odds")
    axes.grid(alpha=0.25)
    _legend(axes)


def _gates(axes: Axes, explanation: Explanation) -> None:
    n_units = explanation.gates.f.shape[0] * explanation.gates.f.shape[3]
    _title(axes, f"LSTM gates: mean of {n_units} units, band from the 10th to the 90th percentile")
    gates = (explanation.gates.f, explanation.gates.i, explanation.gates.o)
    for (name, colour, style), gate in zip(_GATES, gates, strict=True):
        mean, low, high = spread(gate)
        axes.fill_between(explanation.hour, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(explanation.hour, mean, style, color=colour, label=f"{name} gate")
    axes.set_ylim(0, 1)
    axes.set_ylabel("0 closed, 1 open")
    axes.grid(alpha=0.25)
    _legend(axes)


def _cells(axes: Axes, explanation: Explanation) -> None:
    _title(axes, "LSTM cell state of each unit, longest half-life on top")
    state = np.moveaxis(explanation.gates.c, 1, 0).reshape(len(explanation.hour), -1).T
    lives = explanation.gates.half_lives().ravel()
    order = np.argsort(-lives, kind="stable")
    _heat(axes, explanation, state[order], [], "cell state")
    ticks = np.unique(np.linspace(0, len(order) - 1, 5).astype(int))
    axes.set_yticks(ticks + 0.5, [f"{lives[order[t]]:.1f} h" for t in ticks])
    axes.set_ylabel("half-life\nof the unit")


def _heat(
    axes: Axes,
    explanation: Explanation,
    table: NDArray[np.floating],
    names: Sequence[str],
    label: str,
) -> None:
    """A heat map of rows over hours, its scale beside it; the 99th percentile sets the scale."""
    sizes = np.abs(table[~np.isnan(table)])
    most = (float(np.percentile(sizes, 99)) if len(sizes) else 0.0) or 1.0
    axes.set_facecolor(_UNKNOWN)
    edges = np.append(explanation.hour, explanation.hour[-1] + 1) - 0.5
    mesh = axes.pcolormesh(
        edges, np.arange(len(table) + 1), table, cmap=_DIVERGING, vmin=-most, vmax=most
    )
    axes.invert_yaxis()
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    _scale(axes, mesh, label)


def _scale(axes: Axes, mesh: QuadMesh, label: str) -> None:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box = axes.get_position()
    left = box.x1 + _LEGEND / WIDTH
    beside = figure.add_axes((left, box.y0, 0.18 / WIDTH, box.height))
    figure.colorbar(mesh, cax=beside, extend="both", label=label)
    beside.tick_params(labelsize=8)


def _influence(axes: Axes, explanation: Explanation, influence: Influence) -> None:
    m = influence.measurement
    variable = explanation.variables.all[m.variable]
    after = slice(m.row, None)
    hours = explanation.hour[after] - explanation.hour[m.row]
    _title(
        axes,
        f"{with_unit(variable, influence.value)}, measured at hour {explanation.hour[m.row]}",
    )
    if influence.replaced is not None:
        axes.axvline(
            explanation.hour[influence.replaced] - explanation.hour[m.row], color=_GREEN,
            linewidth=5, alpha=0.4, label="measured again",
        )  # fmt: skip
    is_last = len(hours) == 1  # a line of one point is not seen
    if is_last:
        axes.text(0.5, 0.95, "the last hour of the stay", transform=axes.transAxes, va="top")
    half = influence.hours_to_half
    if half is not None:
        label = f"less than half\nleft after {half} h"
        axes.axvline(half, color=_PURPLE, linestyle="--", label=label)
    for part, name, colour in (
        (influence.by_features, "through the features:\nlast value, age, trend", _BLUE),
        (influence.by_state, "through the LSTM state", _ORANGE),
    ):
        axes.plot(
            hours, part[after], "-o" if is_last else "-", color=colour, label=name, linewidth=3.5
        )
        axes.fill_between(hours, 0, part[after], color=colour, alpha=0.2, linewidth=0)
    style = "xk" if is_last else "-k"
    axes.plot(hours, influence.change[after], style, linewidth=1.2, label="both: whole change")
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.set_ylabel("log odds with\nminus without it")
    axes.set_xlim(-0.5, max(float(hours[-1]), 1) + 0.5)
    _hours(axes)
    axes.grid(alpha=0.25)
    _legend(axes)
