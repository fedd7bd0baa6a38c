from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.tabular import Side, fit_logistic, fit_trees, spread


def test_models_on_tables_learn_a_signal() -> None:
    draws = np.random.default_rng(4)

    def side(n: int) -> Side:
        x = draws.normal(0, 1, (n, 3))
        label = draws.random(n) < 1 / (1 + np.exp(-2 * x[:, 0]))
        x[draws.random(n) < 0.1, 1] = np.nan
        x[:, 2] = np.nan  # nobody has it
        return Side(x, label)

    train, validation, test = side(600), side(200), side(200)
    for scores in (fit_logistic(train, validation), fit_trees(train, validation, 0, 1)):
        score = scores(test.x)
        assert score[test.label].mean() > score[~test.label].mean() + 0.5
    mean, std = spread(train.x)
    assert (mean[2], std[2]) == (0, 1)
    assert mean[1] == pytest.approx(np.nanmean(train.x[:, 1]))
