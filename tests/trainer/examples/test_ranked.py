from __future__ import annotations

import numpy as np
import pytest

from trainer.examples.estimates import Estimate
from trainer.examples.ranked import PatientLabels, best_threshold, compare

N = 400


@pytest.fixture(scope="module")
def labels() -> PatientLabels:
    draws = np.random.default_rng(0)
    return PatientLabels(draws.random(2 * N) < 0.3, np.repeat(np.arange(N), 2))


def test_figures_are_those_of_the_risks(labels: PatientLabels) -> None:
    draws = np.random.default_rng(1)
    good = labels.label + draws.normal(0, 0.5, 2 * N)
    risks = {"good": good, "blind": draws.normal(0, 1, 2 * N)}
    comparison = compare(labels, risks, {"good": 0.5, "blind": 0.0}, "good", 0)
    called = good > 0.5
    assert comparison.figures["good"]["precision"].value == labels.label[called].mean()
    assert comparison.figures["good"]["recall"].value == called[labels.label].mean()
    assert comparison.figures["good"]["AUROC"].value > 0.85
    assert (
        comparison.figures["blind"]["AUROC"].low < 0.5 < comparison.figures["blind"]["AUROC"].high
    )
    assert comparison.differences["good"]["AUROC"] == Estimate(0, 0, 0)
    assert comparison.differences["blind"]["AUROC"].high < 0


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
