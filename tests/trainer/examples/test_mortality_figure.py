from __future__ import annotations

import numpy as np

from trainer.examples.estimates import Estimate
from trainer.examples.mortality_figure import draw_mortality
from trainer.examples.ranked import FIGURES, Comparison


def test_the_figure_shows_each_model_and_both_outcomes() -> None:
    draws = np.random.default_rng(0)
    died = np.arange(40) % 4 == 0
    scores = {name: died + draws.normal(0, 1, 40) for name in ("network", "trees")}
    estimate = Estimate(0.8, 0.7, 0.9)
    figures = {name: dict.fromkeys(FIGURES, estimate) for name in scores}
    comparison = Comparison(figures, figures)
    figure = draw_mortality(
        died, scores, comparison, (24, 48), [estimate] * 2, np.full((40, 48), 0.1)
    )
    roc, event, ranking, course = figure.axes
    labels = [line.get_label() for line in roc.get_lines()]
    assert labels[:2] == ["network: 0.800", "trees: 0.800"]
    assert [text.get_text() for text in event.get_yticklabels()] == ["trees", "network"]
    assert ranking.get_lines()[0].get_ydata().tolist() == [0.8, 0.8]  # type: ignore[union-attr]
    assert [line.get_label() for line in course.get_lines()] == [
        "died in hospital (10)",
        "lived (30)",
    ]
