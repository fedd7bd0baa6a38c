from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tests.support.scored_stays import random_risks, random_scored
from tests.support.synthetic_stays import random_labels
from trainer.decisions.thresholds import utility_curve
from trainer.reports.plots import (
    plot_alerts,
    plot_loss,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
    plot_utility,
)

WHOSE = "300 test patients, 90 septic"


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
