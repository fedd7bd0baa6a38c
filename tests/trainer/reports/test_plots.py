from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tests.support.scored_stays import random_risks, random_scored
from tests.support.synthetic_stays import random_labels
from trainer.decisions.thresholds import utility_curve
from trainer.metrics.definitions import Measure
from trainer.reports import plots
from trainer.reports.plots import (
    plot_alerts,
    plot_loss,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
    plot_utility,
)

WHOSE = "300 test stays, 90 septic"


def drawn_share(file: Path) -> float:
    """Share of pixels that are not white."""
    pixels = matplotlib.image.imread(file)
    return float((pixels[..., :3] < 1).any(axis=-1).mean())


@pytest.mark.parametrize("decimals", [7, 1])
def test_every_picture_is_written_where_it_says(tmp_path: Path, decimals: int) -> None:
    label, starts = random_labels(1)
    risk = random_risks(label, 1, decimals)
    thresholds, utilities = utility_curve(label, starts, risk)
    written = [
        plot_loss({"train": [0.5, 0.4], "validation": [0.6, 0.5]}, tmp_path, best=2),
        plot_roc(label, risk, tmp_path, WHOSE),
        plot_precision_recall(label, risk, tmp_path, WHOSE),
        plot_reliability(label, risk, tmp_path, WHOSE),
        plot_utility(thresholds, utilities, float(thresholds[3]), tmp_path, WHOSE),
    ]
    names = ["loss.png", "roc.png", "precision_recall.png", "reliability.png", "utility.png"]
    written.append(plot_alerts(random_scored(1), tmp_path, WHOSE))
    names.append("alerts.png")
    assert [file.name for file in written] == names
    assert sorted(tmp_path.iterdir()) == sorted(written)
    # An empty frame with its title and labels covers some 4 % of the picture.
    assert min(drawn_share(file) for file in written) > 0.04


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved."""
    figures: list[Figure] = []

    def save(figure: Figure, file: Path) -> Path:
        figures.append(figure)
        return file

    monkeypatch.setattr(plots, "save_png", save)
    return figures


def lines_by_label(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in figure.axes[0].lines}


def test_bins_without_a_point_are_counted(drawn: list[Figure], tmp_path: Path) -> None:
    risk = np.linspace(0.01, 0.99, 400)
    plot_reliability((risk > 0.5).astype(np.int8), risk, tmp_path, WHOSE)
    plot_reliability(np.ones(400, np.int8), risk, tmp_path, WHOSE)
    first, second = (next(iter(lines_by_label(figure))) for figure in drawn)
    assert "; 10 of 20 bins have no positive hour and no point" in first
    assert "bins" not in second


def test_the_curve_of_precision_and_recall_steps_before_its_points(
    drawn: list[Figure], tmp_path: Path
) -> None:
    label, _ = random_labels(1)
    risk = random_risks(label, 1, 7)
    plot_precision_recall(label, risk, tmp_path, WHOSE)
    curve = next(iter(lines_by_label(drawn[0]).values()))
    assert curve.get_drawstyle() == "steps-pre"


def test_the_line_of_other_stays_is_of_their_hours(drawn: list[Figure], tmp_path: Path) -> None:
    scored = random_scored(1)
    plot_alerts(scored, tmp_path, WHOSE)
    share = Measure(scored).figures()["non_septic_hours_alerted"]
    assert f"hours of other stays under an alert: {share:.2f}" in lines_by_label(drawn[0])


def test_a_useless_model_can_be_drawn_too(tmp_path: Path) -> None:
    label, starts = random_labels(2, 30)
    flat = np.full(len(label), 0.02)
    thresholds, utilities = utility_curve(label, starts, flat)
    for file in (
        plot_roc(label, flat, tmp_path, WHOSE),
        plot_precision_recall(label, flat, tmp_path, WHOSE),
        plot_reliability(label, flat, tmp_path, WHOSE),
        plot_utility(thresholds, utilities, float(thresholds[0]), tmp_path, WHOSE),
    ):
        assert drawn_share(file) > 0
