from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.synthetic_stays import random_labels
from trainer.metrics.utility import (
    best_predictions,
    normalized_utility,
    patient_utility,
    utility_table,
)


def plain_score(labels: NDArray[np.int8], answers: NDArray[np.bool_]) -> float:
    """The definition, hour by hour, of one stay."""
    total = 0.0
    septic = bool(labels.any())
    onset = int(labels.argmax()) + 6
    for t in range(len(labels)):
        d = t - onset
        if not septic:
            total += -0.05 if answers[t] else 0.0
        elif d > 3:
            continue
        elif d <= -6:
            total += max((d + 12) / 6, -0.05) if answers[t] else 0.0
        elif answers[t]:
            total += (3 - d) / 9
        else:
            total += -2 * (d + 6) / 9
    return total


def plain_normalized(
    label: NDArray[np.int8], starts: NDArray[np.int64], answers: NDArray[np.bool_]
) -> float:
    observed = best = inaction = 0.0
    for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        labels = label[a:b]
        ideal = np.zeros(b - a, np.bool_)
        if labels.any():
            onset = int(labels.argmax()) + 6
            ideal[max(0, onset - 12) : min(onset + 3, b - a - 1) + 1] = True
        observed += plain_score(labels, answers[a:b])
        best += plain_score(labels, ideal)
        inaction += plain_score(labels, np.zeros(b - a, np.bool_))
    return (observed - inaction) / (best - inaction)


def test_a_case_worked_by_hand() -> None:
    # Stay 1: 20 hours, label from row 10 on, so onset is row 16. Yes at rows 3, 5, 12, 13, 18:
    #   d = -13, -11, -4, -3, 2 earn -1/20, 1/6, 7/9, 6/9, 1/9.
    #   No at rows 11, 14, 15, 16, 17, 19 costs (2 + 8 + 10 + 12 + 14 + 18)/9 = 64/9; before, 0.
    #   Observed -1/20 + 1/6 + 14/9 - 64/9 = -979/180. Never: d = -5..3 cost 10.
    #   Ideal: rows 4 to 19: (0 + 1 + 2 + 3 + 4 + 5 + 6)/6 + (8 + 7 + ... + 0)/9 = 3.5 + 4.
    # Stay 2: not septic, 4 hours, yes three times: -27/180. Never 0, ideal 0.
    # Stay 3: label from row 0 on, 3 hours, so d = -6, -5, -4; yes at the second:
    #   0 + 8/9 - 4/9 = 80/180. Never: -2/9 - 4/9 = -2/3. Ideal: 1 + 8/9 + 7/9 = 8/3.
    # (-979 - 27 + 80 + 1800 + 120)/(1350 + 480 + 1800 + 120) = 994/3750.
    label = np.array([0] * 10 + [1] * 10 + [0] * 4 + [1] * 3, np.int8)
    starts = np.array([0, 20, 24, 27])
    answers = np.zeros(27, np.bool_)
    answers[[3, 5, 12, 13, 18, 20, 21, 23, 25]] = True
    sums = patient_utility(label, starts, answers)
    close = 1e-14  # sums of ten fractions: some rounding of the last bit
    assert sums.observed.tolist() == pytest.approx(
        [-979 / 180, -27 / 180, 80 / 180], rel=0, abs=close
    )
    assert sums.inaction.tolist() == pytest.approx([-10, 0, -2 / 3], rel=0, abs=close)
    assert sums.best.tolist() == pytest.approx([7.5, 0, 8 / 3], rel=0, abs=close)
    assert normalized_utility(label, starts, answers) == pytest.approx(994 / 3750, rel=0, abs=close)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share_positive", [0.02, 0.5, 1.0])
def test_equal_to_the_definition_hour_by_hour(seed: int, share_positive: float) -> None:
    label, starts = random_labels(seed)
    answers = np.random.default_rng(seed).random(len(label)) < share_positive
    expected = plain_normalized(label, starts, answers)
    # 1e-12 on sums of 9,000 rows: some hundred roundings of the last bit.
    assert normalized_utility(label, starts, answers) == pytest.approx(expected, rel=0, abs=1e-12)


def test_ends_of_the_scale() -> None:
    label, starts = random_labels(7)
    assert normalized_utility(label, starts, np.zeros(len(label), np.bool_)) == 0
    assert normalized_utility(label, starts, best_predictions(label, starts)) == 1
    assert math.isnan(normalized_utility(np.zeros(3, np.int8), np.array([0, 3]), np.ones(3, bool)))


def test_what_a_row_gains_by_a_yes() -> None:
    label = np.zeros(40, np.int8)
    label[20:] = 1  # onset at row 26
    table = utility_table(label, np.array([0, 40]))
    gain = table[:, 1] - table[:, 0]
    expected = {-13: -0.05, -12: 0, -9: 0.5, -6: 1, -3: 4 / 3, 0: 5 / 3, 3: 2, 4: 0, 13: 0}
    gains = {d: gain[26 + d] for d in expected}
    assert gains == pytest.approx(expected, rel=0, abs=1e-14)


def test_no_other_predictions_beat_the_best() -> None:
    label, starts = random_labels(3)
    table = utility_table(label, starts)
    greedy = np.add.reduceat(table.max(axis=1), starts[:-1])
    best = patient_utility(label, starts, best_predictions(label, starts)).observed
    np.testing.assert_allclose(best, greedy, rtol=0, atol=1e-12)  # 60 roundings a stay
