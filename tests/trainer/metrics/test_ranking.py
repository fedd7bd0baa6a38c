from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from tests.support.scored_stays import random_risks
from tests.support.synthetic_stays import random_labels
from trainer.metrics.ranking import Ranking, auprc, auroc, curve

# Sums of some thousand doubles in another order.
ROUNDING = 1e-12


@pytest.mark.parametrize("decimals", [7, 2, 1])  # the fewer, the more ties
@pytest.mark.parametrize("seed", range(3))
def test_areas_equal_scikit_learns(seed: int, decimals: int) -> None:
    label, _ = random_labels(seed)
    risk = random_risks(label, seed, decimals)
    assert auroc(label, risk) == pytest.approx(roc_auc_score(label, risk), rel=0, abs=ROUNDING)
    expected = average_precision_score(label, risk)
    assert auprc(label, risk) == pytest.approx(expected, rel=0, abs=ROUNDING)


@pytest.mark.parametrize("decimals", [7, 2])
def test_weighing_groups_equals_repeating_their_rows(decimals: int) -> None:
    label, starts = random_labels(5, 80)
    risk = random_risks(label, 5, decimals)
    stay = np.repeat(np.arange(80), np.diff(starts))
    weight = np.random.default_rng(5).integers(0, 4, 80).astype(np.float64)
    repeat = weight[stay].astype(np.int64)
    ranks = Ranking(label, risk, stay).weigh(weight)
    again_label, again_risk = np.repeat(label, repeat), np.repeat(risk, repeat)
    expected = roc_auc_score(again_label, again_risk)
    assert ranks.auroc == pytest.approx(expected, rel=0, abs=ROUNDING)
    expected = average_precision_score(again_label, again_risk)
    assert ranks.auprc == pytest.approx(expected, rel=0, abs=ROUNDING)
    precision, sensitivity, _ = precision_recall_curve(again_label, again_risk)
    expected = precision[np.flatnonzero(sensitivity >= 0.8)[-1]]
    assert ranks.ppv == pytest.approx(expected, rel=0, abs=ROUNDING)


def test_areas_worked_by_hand() -> None:
    # Of the 3 x 2 pairs the first positive wins both, the tied one wins one and halves one, the
    # last wins none.
    label, risk = np.array([1, 1, 0, 0, 1]), np.array([0.9, 0.5, 0.5, 0.2, 0.1])
    assert auroc(label, risk) == 3.5 / 6
    # Precision where recall steps: 1/1, then 2/3 at the tie, then 3/5; each step is 1/3.
    assert auprc(label, risk) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3, rel=0, abs=ROUNDING)
    assert Ranking(label, risk, np.arange(5)).weigh(np.ones(5), sensitivity=0.6).ppv == 2 / 3


def test_areas_without_both_classes_are_missing() -> None:
    for label in (np.zeros(3, np.int8), np.ones(3, np.int8)):
        assert math.isnan(auroc(label, np.array([0.1, 0.2, 0.3])))
        assert math.isnan(auprc(label, np.array([0.1, 0.2, 0.3])))


def test_curve_passes_through_the_figures() -> None:
    label, _ = random_labels(2)
    points = curve(label, random_risks(label, 2, 2))
    area = np.trapezoid(np.append(0, points.sensitivity), np.append(0, points.false_positive_rate))
    assert area == pytest.approx(auroc(label, random_risks(label, 2, 2)), rel=0, abs=ROUNDING)
    steps = np.diff(points.sensitivity, prepend=0)
    expected = auprc(label, random_risks(label, 2, 2))
    assert steps @ points.precision == pytest.approx(expected, rel=0, abs=ROUNDING)
