from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from tests.support.synthetic_stays import random_labels
from trainer.metrics.calibration_error import (
    expected_calibration_error,
    logistic_line,
    logit,
    mass_bins,
    newton_step,
    reliability_points,
)
from trainer.metrics.measures import METRICS, Measure, Scored, lead_hours
from trainer.metrics.ranking import Ranking, auprc, auroc, curve
from trainer.metrics.utility import normalized_utility

# Sums of some thousand doubles in another order.
ROUNDING = 1e-12


def risks(label: NDArray[np.int8], seed: int, decimals: int = 7) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(-3 + 1.5 * label, 1)
    return np.round(1 / (1 + np.exp(-noise)), decimals)


def scored(seed: int, n_stays: int = 300, decimals: int = 7) -> Scored:
    label, starts = random_labels(seed, n_stays)
    risk = risks(label, seed, decimals)
    alerts = np.random.default_rng(seed + 1).random(len(label)) < 0.05
    ids = [f"p{i % 2}{i:05}" for i in range(n_stays)]
    return Scored(ids, starts, label, risk, risk > 0.1, alerts)


@pytest.mark.parametrize("decimals", [7, 2, 1])  # the fewer, the more ties
@pytest.mark.parametrize("seed", range(3))
def test_areas_equal_scikit_learns(seed: int, decimals: int) -> None:
    label, _ = random_labels(seed)
    risk = risks(label, seed, decimals)
    assert auroc(label, risk) == pytest.approx(roc_auc_score(label, risk), rel=0, abs=ROUNDING)
    expected = average_precision_score(label, risk)
    assert auprc(label, risk) == pytest.approx(expected, rel=0, abs=ROUNDING)


@pytest.mark.parametrize("decimals", [7, 2])
def test_weighing_groups_equals_repeating_their_rows(decimals: int) -> None:
    label, starts = random_labels(5, 80)
    risk = risks(label, 5, decimals)
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
    points = curve(label, risks(label, 2, 2))
    area = np.trapezoid(np.append(0, points.sensitivity), np.append(0, points.false_positive_rate))
    assert area == pytest.approx(auroc(label, risks(label, 2, 2)), rel=0, abs=ROUNDING)
    steps = np.diff(points.sensitivity, prepend=0)
    expected = auprc(label, risks(label, 2, 2))
    assert steps @ points.precision == pytest.approx(expected, rel=0, abs=ROUNDING)


def test_bins_are_of_equal_mass_and_ties_stay_together() -> None:
    spread = np.random.default_rng(0).permutation(np.arange(1000) / 1000)
    assert np.bincount(mass_bins(spread)).tolist() == [50] * 20
    heaped = np.array([0.1] * 900 + [0.2] * 60 + [0.3] * 40)
    bins = mass_bins(heaped)
    assert len({(b, r) for b, r in zip(bins.tolist(), heaped.tolist(), strict=True)}) == 3


def test_calibration_error_worked_by_hand() -> None:
    label = np.array([0, 0, 1, 1, 1, 0, 0, 0])
    risk = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    # Two bins of four: mean risk 0.25 and 0.75, share 0.5 and 0.25: (0.25 + 0.5)/2.
    found = expected_calibration_error(label, risk, n_bins=2)
    assert found == pytest.approx(0.375, rel=0, abs=ROUNDING)
    mean, share = reliability_points(label, risk, n_bins=2)
    assert mean.tolist() == pytest.approx([0.25, 0.75], rel=0, abs=ROUNDING)
    assert share.tolist() == [0.5, 0.25]


def test_logistic_line_equals_scikit_learns() -> None:
    label, _ = random_labels(4)
    x = logit(risks(label, 4))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], label)
    slope, intercept = logistic_line(x, label)
    # What scikit-learn's optimiser leaves at its tolerance.
    assert slope == pytest.approx(float(fitted.coef_[0, 0]), rel=1e-5)
    assert intercept == pytest.approx(float(fitted.intercept_[0]), rel=1e-5)


def test_logistic_line_has_no_answer_where_there_is_none() -> None:
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    assert np.isnan(logistic_line(x, np.array([0, 0, 1, 1]))).all()
    assert np.isnan(logistic_line(x, np.zeros(4, np.int64))).all()
    slope, _ = logistic_line(x, np.array([0, 0, 1, 1]), prior_weight=1.0)
    assert 1 < slope < 5


def test_logit_is_finite_where_risks_were_rounded() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert logit(np.array([0.25]))[0] == pytest.approx(math.log(1 / 3), rel=0, abs=ROUNDING)


def test_lead_is_that_of_the_first_alert_that_foresaw_onset() -> None:
    label = np.zeros(100, np.int8)
    label[64:] = 1  # onset at row 70
    starts = np.array([0, 100, 130])
    label = np.concatenate([label, np.zeros(30, np.int8)])
    cases = {(21,): -np.inf, (22,): 48, (21, 60, 65): 10, (75,): -5, (): -np.inf}
    for rows, lead in cases.items():
        alerts = np.zeros(130, np.bool_)
        alerts[list(rows)] = True
        alerts[110] = True
        assert lead_hours(alerts, label, starts).tolist() == [lead, -np.inf]
    early = np.zeros(130, np.bool_)
    early[3] = True
    assert lead_hours(early, label, starts, window_hours=np.inf).tolist() == [67, -np.inf]


def test_figures_are_what_their_names_say() -> None:
    on = scored(11)
    figures = Measure(on).figures()
    assert tuple(figures) == METRICS
    label, risk = on.label, on.risk
    first = on.starts[:-1]
    leads = [lead for lead in lead_hours(on.alert_starts, label, on.starts) if lead > -np.inf]
    slope, intercept = logistic_line(logit(risk), label)
    precision, sensitivity, _ = precision_recall_curve(label, risk)
    expected = {
        "utility": normalized_utility(label, on.starts, on.positive),
        "auroc": roc_auc_score(label, risk),
        "auprc": average_precision_score(label, risk),
        "patient_auroc": roc_auc_score(
            np.maximum.reduceat(label, first), np.maximum.reduceat(risk, first)
        ),
        "ece": expected_calibration_error(label, risk),
        "brier": np.mean((risk - label) ** 2),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "ppv_at_80_sensitivity": precision[np.flatnonzero(sensitivity >= 0.8)[-1]],
        "alerts_per_patient_day": on.alert_starts.sum() / (len(label) / 24),
        "alert_sensitivity": len(leads) / np.maximum.reduceat(label, first).sum(),
        "alert_ppv": sum(
            on.alert_starts[row] and label[begin:end].any() and row >= onset - 48
            for begin, end in pairwise(on.starts)
            for onset in [begin + np.argmax(label[begin:end]) + 6]
            for row in range(begin, end)
        )
        / on.alert_starts.sum(),
        "lead_hours_median": np.median(leads),
    }
    # The line's optimum is flat: Newton stops where a step is under 1e-10.
    assert figures == pytest.approx(expected, rel=0, abs=1e-9)


def test_a_weight_of_two_is_the_stay_twice() -> None:
    on = scored(12, 60)
    weight = np.ones(60)
    weight[[3, 5]] = 2
    weight[[7, 8]] = 0
    kept = np.repeat(np.arange(60), weight.astype(np.int64))
    by_weight, by_repeat = Measure(on).figures(weight), Measure(on.take(kept)).figures()
    for name in METRICS:
        if name == "ece":
            continue  # its bins are those of the whole set
        # Newton's method stops at a step of 1e-5, which it squares.
        tolerance = 1e-7 if name.startswith("calibration") else ROUNDING
        assert by_weight[name] == pytest.approx(by_repeat[name], rel=0, abs=tolerance), name


def test_without_septic_stays_the_rest_is_still_measured() -> None:
    on = scored(13, 40)
    healthy = on.take(np.flatnonzero(np.maximum.reduceat(on.label, on.starts[:-1]) == 0))
    figures = Measure(healthy).figures()
    missing = {name for name, value in figures.items() if math.isnan(value)}
    counted = {"ece", "brier", "alerts_per_patient_day", "alert_ppv"}
    assert missing == set(METRICS) - counted


def test_sites_are_told_by_the_patient_ids() -> None:
    on = scored(14, 30)
    a, b = on.at_site("A"), on.at_site("B")
    assert {p[:2] for p in a.patient_ids} == {"p0"}
    assert {p[:2] for p in b.patient_ids} == {"p1"}
    assert len(a.label) + len(b.label) == len(on.label)
    rows = slice(int(on.starts[2]), int(on.starts[3]))
    np.testing.assert_array_equal(a.risk[a.starts[1] : a.starts[2]], on.risk[rows])


def test_a_line_that_runs_away_is_given_up() -> None:
    x, y = np.array([-1.0, 1.0]), np.array([0.0, 1.0])
    with pytest.raises(np.linalg.LinAlgError, match="separated"):
        newton_step(x, y, np.ones(2), np.array([1e7, 0.0]))
