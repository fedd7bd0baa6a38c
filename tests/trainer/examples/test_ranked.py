from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.estimates import Estimate, bootstrap, join_names, verdicts
from trainer.examples.ranked import PatientLabels, best_threshold, compare
from trainer.examples.tabular import Side, fit_logistic, fit_trees, spread

N = 400


@pytest.fixture(scope="module")
def asked() -> PatientLabels:
    draws = np.random.default_rng(0)
    return PatientLabels(draws.random(2 * N) < 0.3, np.repeat(np.arange(N), 2))


def test_figures_are_those_of_the_risks(asked: PatientLabels) -> None:
    draws = np.random.default_rng(1)
    good = asked.label + draws.normal(0, 0.5, 2 * N)
    risks = {"good": good, "blind": draws.normal(0, 1, 2 * N)}
    found = compare(asked, risks, {"good": 0.5, "blind": 0.0}, "good", 0)
    called = good > 0.5
    assert found.figures["good"]["precision"].value == asked.label[called].mean()
    assert found.figures["good"]["recall"].value == called[asked.label].mean()
    assert found.figures["good"]["AUROC"].value > 0.85
    assert found.figures["blind"]["AUROC"].low < 0.5 < found.figures["blind"]["AUROC"].high
    assert found.differences["good"]["AUROC"] == Estimate(0, 0, 0)
    assert found.differences["blind"]["AUROC"].high < 0


def test_the_threshold_makes_the_smaller_of_both_largest() -> None:
    draws = np.random.default_rng(2)
    label = draws.random(300) < 0.2
    risk = (label + draws.normal(0, 1, 300)).round(1)

    def least(threshold: float) -> float:
        called = risk > threshold
        precision = float(label[called].mean()) if called.any() else 0.0
        return min(precision, float(called[label].mean()))

    tried = [least(t) for t in np.unique(risk) - 0.05]
    assert least(best_threshold(label, risk)) == max(tried)


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


def test_what_may_be_said_follows_from_the_interval() -> None:
    others = {"a": Estimate(1, 0.5, 2), "b": Estimate(-1, -2, -0.5), "c": Estimate(1, -1, 2)}
    assert verdicts(others) == "is better than a; is worse than b; cannot be told apart from c"
    assert join_names(["a", "b"]) == "a and b"


def test_models_on_tables_find_what_is_there() -> None:
    draws = np.random.default_rng(4)

    def side(n: int) -> Side:
        x = draws.normal(0, 1, (n, 3))
        label = draws.random(n) < 1 / (1 + np.exp(-2 * x[:, 0]))
        x[draws.random(n) < 0.1, 1] = np.nan
        x[:, 2] = np.nan  # nobody has it
        return Side(x, label)

    train, validation, test = side(600), side(200), side(200)
    for scores in (fit_logistic(train, validation), fit_trees(train, validation, 0, 1)):
        found = scores(test.x)
        assert found[test.label].mean() > found[~test.label].mean() + 0.5
    mean, std = spread(train.x)
    assert (mean[2], std[2]) == (0, 1)
    assert mean[1] == pytest.approx(np.nanmean(train.x[:, 1]))
