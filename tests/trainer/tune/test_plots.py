from __future__ import annotations

from pathlib import Path

import matplotlib.image

from trainer.tune.plots import plot_importances, plot_trials

WHOSE = "90 validation patients, 20 septic"


def test_both_plots_are_written(tmp_path: Path) -> None:
    scores = {0: 1.21, 1: 1.19, 4: 1.24}
    files = [
        plot_trials(scores, 1.21, tmp_path, WHOSE),
        plot_importances({"hidden": 0.7, "dropout": 0.3}, 3, tmp_path, WHOSE),
    ]
    assert [file.name for file in files] == ["history.png", "importance.png"]
    for file in files:
        assert matplotlib.image.imread(file)[..., :3].min() < 0.5  # something dark is drawn


def test_a_search_without_its_baseline_is_drawn_without_the_line(tmp_path: Path) -> None:
    with_baseline = plot_trials({0: 1.2, 1: 1.3}, 1.2, tmp_path, WHOSE).read_bytes()
    assert plot_trials({0: 1.2, 1: 1.3}, None, tmp_path, WHOSE).read_bytes() != with_baseline
