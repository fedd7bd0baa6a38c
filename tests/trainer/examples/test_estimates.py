from __future__ import annotations

import numpy as np

from trainer.examples.estimates import Estimate, bootstrap, join_names, verdicts


def test_intervals_hold_the_figure_about_as_often_as_they_say() -> None:
    draws = np.random.default_rng(3)
    held = 0
    for seed in range(60):
        x = draws.normal(0, 1, 80)
        (mean,) = bootstrap(
            lambda w, x=x: np.array([np.average(x, weights=w)]),  # type: ignore[misc]
            80,
            seed,
            200,
        )
        assert mean.low < mean.value < mean.high
        held += mean.low <= 0 <= mean.high
    assert 50 <= held < 60


def test_verdicts_follow_from_the_intervals() -> None:
    others = {"a": Estimate(1, 0.5, 2), "b": Estimate(-1, -2, -0.5), "c": Estimate(1, -1, 2)}
    assert verdicts(others) == "is better than a; is worse than b; cannot be told apart from c"
    assert join_names(["a", "b"]) == "a and b"
