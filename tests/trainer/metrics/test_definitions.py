from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from tests.support.scored_stays import random_scored
from trainer.metrics.calibration_error import (
    expected_calibration_error,
    logistic_line,
    logit,
)
from trainer.metrics.definitions import METRICS, Measure, Scored, lead_hours
from trainer.metrics.utility import normalized_utility

# Sums of some thousand doubles in another order.
ROUNDING = 1e-12


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


def figures_of_alerts_that_are_on(scored: Scored) -> dict[str, float]:
    """By plain loops over stays and hours."""
    near, at_onset, alerted, hours_on, hours = [], [], [], 0, 0
    for begin, end in pairwise(scored.starts.tolist()):
        label, on = scored.label[begin:end].tolist(), scored.alert_on[begin:end].tolist()
        if 1 in label:
            onset = label.index(1) + 6
            near.append(any(on[max(onset - 48, 0) :]))
            at_onset.append(on[min(onset, len(on) - 1)])
        else:
            alerted.append(any(on))
            hours_on += sum(on)
            hours += len(on)
    return {
        "alerted_within_48h": float(np.mean(near)),
        "alerted_at_onset": float(np.mean(at_onset)),
        "non_septic_stays_alerted": float(np.mean(alerted)),
        "non_septic_hours_alerted": hours_on / hours,
    }


def test_figures_are_what_their_names_say() -> None:
    scored = random_scored(11)
    figures = Measure(scored).figures()
    assert tuple(figures) == METRICS
    label, risk = scored.label, scored.risk
    first = scored.starts[:-1]
    leads = [
        lead for lead in lead_hours(scored.alert_starts, label, scored.starts) if lead > -np.inf
    ]
    slope, intercept = logistic_line(logit(risk), label)
    precision, sensitivity, _ = precision_recall_curve(label, risk)
    expected = {
        "utility": normalized_utility(label, scored.starts, scored.positive),
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
        "alerts_per_patient_day": scored.alert_starts.sum() / (len(label) / 24),
        "alert_sensitivity": len(leads) / np.maximum.reduceat(label, first).sum(),
        "alert_ppv": sum(
            scored.alert_starts[row] and label[begin:end].any() and row >= onset - 48
            for begin, end in pairwise(scored.starts)
            for onset in [begin + np.argmax(label[begin:end]) + 6]
            for row in range(begin, end)
        )
        / scored.alert_starts.sum(),
        "lead_hours_median": np.median(leads),
        **figures_of_alerts_that_are_on(scored),
    }
    # The line's optimum is flat: Newton stops where a step is under 1e-10.
    assert figures == pytest.approx(expected, rel=0, abs=1e-9)


def test_a_weight_of_two_is_the_stay_twice() -> None:
    scored = random_scored(12, 60)
    weight = np.ones(60)
    weight[[3, 5]] = 2
    weight[[7, 8]] = 0
    kept = np.repeat(np.arange(60), weight.astype(np.int64))
    by_weight, by_repeat = Measure(scored).figures(weight), Measure(scored.take(kept)).figures()
    for name in METRICS:
        if name == "ece":
            continue  # its bins are those of the whole set
        # Newton's method stops at a step of 1e-5, which it squares.
        tolerance = 1e-7 if name.startswith("calibration") else ROUNDING
        assert by_weight[name] == pytest.approx(by_repeat[name], rel=0, abs=tolerance), name


def test_without_septic_stays_the_rest_is_still_measured() -> None:
    scored = random_scored(13, 40)
    healthy = scored.take(
        np.flatnonzero(np.maximum.reduceat(scored.label, scored.starts[:-1]) == 0)
    )
    figures = Measure(healthy).figures()
    missing = {name for name, value in figures.items() if math.isnan(value)}
    counted = {"ece", "brier", "alerts_per_patient_day", "alert_ppv"}
    counted |= {"non_septic_stays_alerted", "non_septic_hours_alerted"}
    assert missing == set(METRICS) - counted


def test_the_stays_of_a_site() -> None:
    scored = random_scored(14, 30)
    a, b = scored.at_site("A"), scored.at_site("B")
    assert {p[:2] for p in a.patient_ids} == {"p0"}
    assert {p[:2] for p in b.patient_ids} == {"p1"}
    assert len(a.label) + len(b.label) == len(scored.label)
    rows = slice(int(scored.starts[2]), int(scored.starts[3]))
    np.testing.assert_array_equal(a.risk[a.starts[1] : a.starts[2]], scored.risk[rows])
