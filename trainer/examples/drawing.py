"""The style of the figures of the examples: panels, grid and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trainer.reports.plots import canvas

# Distinct to people with any kind of colour vision (Okabe and Ito 2008).
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
INK: Final = "#222222"
QUIET: Final = "#999999"


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of ``rows`` x ``columns`` axes, row by row; ``size`` in inches."""
    figure = canvas(size)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]
    for panel in axes:
        panel.grid(alpha=0.25)
        panel.set_axisbelow(True)
    return figure, axes


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, by name; the colours repeat after the seventh."""
    return dict(zip(names, COLOURS * (1 + len(names) // len(COLOURS)), strict=False))
