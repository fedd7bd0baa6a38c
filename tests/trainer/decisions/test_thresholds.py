from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.scored_stays import random_risks
from tests.support.synthetic_stays import random_labels
from trainer.decisions.thresholds import (
    best_utility_threshold,
    choose_alert_threshold,
    utility_curve,
    youden_curve,
)
from trainer.metrics.definitions import lead_hours
from trainer.metrics.utility import normalized_utility


@pytest.mark.parametrize("decimals", [7, 2, 0])  # at 0 decimals every risk is 0 or 1
def test_the_curve_is_the_utility_at_each_threshold(decimals: int) -> None:
    label, starts = random_labels(1, 40)
    risk = random_risks(label, 1, decimals)
    thresholds, utilities = utility_curve(label, starts, risk)
    assert (np.diff(thresholds) < 0).all()
    assert len(thresholds) == len(np.unique(risk)) + 1
    for threshold, utility in zip(thresholds, utilities, strict=True):
        direct = normalized_utility(label, starts, risk > threshold)
        # Sums of a thousand doubles in another order.
        assert utility == pytest.approx(direct, rel=0, abs=1e-11)


@pytest.mark.parametrize("decimals", [7, 2, 0])
def test_the_other_curve_is_sensitivity_and_specificity_less_1(decimals: int) -> None:
    label, _ = random_labels(1, 40)
    risk = random_risks(label, 1, decimals)
    thresholds, index = youden_curve(label, risk)
    assert (np.diff(thresholds) < 0).all()
    for threshold, value in zip(thresholds, index, strict=True):
        called = risk > threshold
        direct = called[label == 1].mean() + (~called)[label == 0].mean() - 1
        assert value == pytest.approx(direct, rel=0, abs=1e-11)


def test_no_threshold_does_better_than_the_one_chosen() -> None:
    label, starts = random_labels(2)
    risk = random_risks(label, 2, 3)
    chosen = best_utility_threshold(label, starts, risk)
    best = normalized_utility(label, starts, risk > chosen)
    others = [normalized_utility(label, starts, risk > t) for t in np.linspace(-0.1, 1.1, 1201)]
    assert best == pytest.approx(max(others), rel=0, abs=1e-12)


def test_neighbouring_floats_are_still_told_apart() -> None:
    low = 0.3
    high = float(np.nextafter(low, 1))
    label = np.array([0] * 10 + [1] * 10, np.int8)
    risk = np.where(np.arange(20) < 6, low, high)
    chosen = best_utility_threshold(label, np.array([0, 20]), risk)
    assert ((risk > chosen) == (risk == high)).all()


Rules = Callable[[Sequence[float]], list[NDArray[np.bool_]]]


def above_each(risk: NDArray[np.float64]) -> Rules:
    return lambda thresholds: [risk > t for t in thresholds]


def rising_each(starts: NDArray[np.int64], risk: NDArray[np.float64]) -> Rules:
    return lambda thresholds: [rising(starts, risk, t) for t in thresholds]


def test_without_septic_stays_there_is_no_threshold() -> None:
    label, starts, risk = np.zeros(4, np.int8), np.array([0, 4]), np.arange(4) / 10
    with pytest.raises(ValueError, match="no septic stay"):
        best_utility_threshold(label, starts, risk)
    with pytest.raises(ValueError, match="no septic stay"):
        choose_alert_threshold(label, starts, risk, above_each(risk), 1.0)


def rising(starts: NDArray[np.int64], risk: NDArray[np.float64], t: float) -> NDArray[np.bool_]:
    above = risk > t
    before = np.append(False, above[:-1])
    before[starts[:-1]] = False
    return np.asarray(above & ~before)


@pytest.mark.parametrize("budget", [0.05, 0.3, 2.0, 50.0])
def test_the_alert_threshold_finds_most_within_the_budget(budget: float) -> None:
    label, starts = random_labels(3, 150)
    risk = random_risks(label, 3, 2)  # few enough risks that every one is a candidate

    chosen = choose_alert_threshold(label, starts, risk, rising_each(starts, risk), budget)
    distinct = np.unique(risk)
    septic = np.maximum.reduceat(label, starts[:-1]) == 1
    best = 0.0
    for threshold in (distinct[:-1] + distinct[1:]) / 2:
        alerts = rising(starts, risk, float(threshold))
        if alerts.sum() / (len(risk) / 24) <= budget:
            best = max(best, float(np.isfinite(lead_hours(alerts, label, starts))[septic].mean()))
    alerts = rising(starts, risk, chosen.threshold)
    assert chosen.starts_per_patient_day == alerts.sum() / (len(risk) / 24) <= budget
    assert chosen.sensitivity == np.isfinite(lead_hours(alerts, label, starts))[septic].mean()
    assert chosen.sensitivity == best > 0


def test_as_many_alerts_as_now_are_used_up_and_no_threshold_far_below_is_taken_for_quiet() -> None:
    label, starts = random_labels(3, 150)
    risk = random_risks(label, 3, 2)
    rates = {
        float(t): rising(starts, risk, float(t)).sum() / (len(risk) / 24)
        for t in np.unique(risk)[:-1] + np.diff(np.unique(risk)) / 2
    }
    for as_now in (0.2, 1.0, max(rates.values()) * 0.6):
        chosen = choose_alert_threshold(label, starts, risk, rising_each(starts, risk), 1e9, as_now)
        above = [rate for t, rate in rates.items() if t >= chosen.threshold]
        assert max(above) == chosen.starts_per_patient_day <= as_now == chosen.within
        below = max(t for t in rates if t < chosen.threshold)
        assert rates[below] > as_now
    assert min(rates.values()) < as_now
    assert rates[min(rates)] < as_now, "all far below start as many: this test shows nothing"
    budget_alone = choose_alert_threshold(label, starts, risk, rising_each(starts, risk), 0.3, 0.31)
    assert (budget_alone.within, budget_alone.to_json(0.3).get("within")) == (0.3, None)


def test_many_risks_are_searched_through_a_hundred_thresholds() -> None:
    label, starts = random_labels(4)
    risk = random_risks(label, 4)
    tried: list[float] = []

    def rules(thresholds: Sequence[float]) -> list[NDArray[np.bool_]]:
        tried.extend(thresholds)
        return rising_each(starts, risk)(thresholds)

    chosen = choose_alert_threshold(label, starts, risk, rules, 1.0)
    assert 80 <= len(tried) <= 100
    assert chosen.threshold in tried
    # Neighbouring candidates differ by a tenth in rows above, so most of the budget is used.
    assert 0.7 <= chosen.starts_per_patient_day <= 1.0


def test_a_budget_that_nothing_meets_alerts_nobody() -> None:
    label, starts = random_labels(5)
    risk = random_risks(label, 5)
    chosen = choose_alert_threshold(
        label, starts, risk, lambda tried: [np.ones(len(risk), np.bool_) for _ in tried], 0.5
    )
    assert risk.max() < chosen.threshold < 1
    assert (chosen.starts_per_patient_day, chosen.sensitivity) == (0, 0)
    with pytest.raises(ValueError, match="budget must be above 0"):
        choose_alert_threshold(label, starts, risk, above_each(risk), 0.0)
