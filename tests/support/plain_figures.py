"""The figures of `trainer evaluate`, computed apart: scikit-learn, and loops over stays and hours.

Written from the definitions (the challenge's scorer, `docs/model.md` for alerts, the docstrings of
the figures). It imports nothing of Vigil, so that a mistake would have to be made twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    precision_recall_curve,
    roc_auc_score,
)

LOCKOUT_HOURS = 12
WINDOW_HOURS = 48
ECE_BINS = 20


@dataclass
class Policy:
    """The alert thresholds of a manifest."""

    off: float
    medium: float
    high: float


@dataclass
class Stay:
    """One stay: label, risk and answer of each hour, and what the alert rules make of the risks."""

    site: str
    label: list[int]
    risk: list[float]
    positive: list[bool]
    policy: Policy
    starts: list[bool] = field(init=False)
    on: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.starts, self.on = alerts(self.risk, self.policy)

    @property
    def septic(self) -> bool:
        return 1 in self.label

    @property
    def onset(self) -> int:
        """Six hours after the first positive one; maybe behind the last."""
        return self.label.index(1) + 6


def alerts(risks: Sequence[float], policy: Policy) -> tuple[list[bool], list[bool]]:
    """Where an alert starts, and whether one is on after the hour."""
    starts, on = [], []
    severity = 0
    began, worst = -math.inf, 0
    for hour, risk in enumerate(risks):
        level = 2 if risk > policy.high else 1 if risk > policy.medium else 0
        start = False
        if severity == 0:
            if level > 0 and (hour - began >= LOCKOUT_HOURS or level > worst):
                severity, began, worst, start = level, hour, level, True
        elif risk < policy.off:
            severity = 0
        elif level > severity:
            severity = worst = level
        starts.append(start)
        on.append(severity > 0)
    return starts, on


def utility(stay: Stay, answers: Sequence[bool]) -> float:
    """The challenge's score of one stay."""
    total = 0.0
    for hour, yes in enumerate(answers):
        if not stay.septic:
            total += -0.05 if yes else 0.0
            continue
        d = hour - stay.onset
        if d > 3:
            continue
        if d <= -6:
            total += max((d + 12) / 6, -0.05) if yes else 0.0
        else:
            total += (3 - d) / 9 if yes else -2 * (d + 6) / 9
    return total


def ideal(stay: Stay) -> list[bool]:
    """Yes from 12 hours before onset to 3 after."""
    return [stay.septic and -12 <= hour - stay.onset <= 3 for hour in range(len(stay.label))]


def edges(risks: Sequence[float]) -> list[float]:
    """The risks at which a new one of twenty bins of equally many hours begins."""
    ordered = sorted(risks)
    last = len(ordered) - 1
    return sorted({ordered[math.ceil(k * last / ECE_BINS)] for k in range(1, ECE_BINS)})


def calibration_error(label: list[int], risk: list[float], bounds: list[float]) -> float:
    bins: dict[int, float] = {}
    for y, p in zip(label, risk, strict=True):
        number = sum(bound <= p for bound in bounds)
        bins[number] = bins.get(number, 0.0) + p - y
    return sum(map(abs, bins.values())) / len(label)


def calibration_line(label: list[int], risk: list[float]) -> tuple[float, float]:
    inside = np.clip(risk, 1e-7, 1 - 1e-7)
    odds = np.log(inside / (1 - inside))[:, None]
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(odds, label)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def lead(stay: Stay) -> int | None:
    """Hours from the first alert that foresaw onset to onset."""
    hours = [h for h, start in enumerate(stay.starts) if start and h >= stay.onset - WINDOW_HOURS]
    return stay.onset - hours[0] if hours else None


def plain_figures(stays: Sequence[Stay], bounds: list[float] | None = None) -> dict[str, float]:
    """Counts and metrics by name.

    Args:
        stays: with both septic and other ones.
        bounds: of the bins of the calibration error; of these stays by default.
    """
    label = [y for stay in stays for y in stay.label]
    risk = [p for stay in stays for p in stay.risk]
    septic = [stay for stay in stays if stay.septic]
    others = [stay for stay in stays if not stay.septic]
    observed = sum(utility(stay, stay.positive) for stay in stays)
    best = sum(utility(stay, ideal(stay)) for stay in stays)
    never = sum(utility(stay, [False] * len(stay.label)) for stay in stays)
    precision, recall, _ = precision_recall_curve(label, risk)
    slope, intercept = calibration_line(label, risk)
    n_starts = sum(sum(stay.starts) for stay in stays)
    leads = [hours for stay in septic if (hours := lead(stay)) is not None]
    foresaw = sum(sum(stay.starts[max(0, stay.onset - WINDOW_HOURS) :]) for stay in septic)
    near = [any(stay.on[max(0, stay.onset - WINDOW_HOURS) :]) for stay in septic]
    at_onset = [stay.on[min(stay.onset, len(stay.on) - 1)] for stay in septic]
    return {
        "n_patients": len(stays),
        "n_septic": len(septic),
        "n_rows": len(label),
        "utility": (observed - never) / (best - never),
        "auroc": roc_auc_score(label, risk),
        "auprc": average_precision_score(label, risk),
        "patient_auroc": roc_auc_score(
            [stay.septic for stay in stays], [max(stay.risk) for stay in stays]
        ),
        "ece": calibration_error(label, risk, edges(risk) if bounds is None else bounds),
        "brier": brier_score_loss(label, risk),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "ppv_at_80_sensitivity": float(precision[recall >= 0.8][-1]),
        "alerts_per_patient_day": n_starts / (len(label) / 24),
        "alert_sensitivity": len(leads) / len(septic),
        "alert_ppv": foresaw / n_starts,
        "lead_hours_median": float(np.median(leads)),
        "alerted_within_48h": sum(near) / len(septic),
        "alerted_at_onset": sum(at_onset) / len(septic),
        "non_septic_stays_alerted": sum(any(stay.on) for stay in others) / len(others),
        "non_septic_hours_alerted": sum(sum(stay.on) for stay in others)
        / sum(len(stay.on) for stay in others),
    }


def plain_intervals(
    stays: Sequence[Stay], n_replicates: int, seed: int
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each metric over stays drawn with replacement."""
    draws = np.random.default_rng(seed)
    bounds = edges([p for stay in stays for p in stay.risk])
    n = len(stays)
    drawn = [
        plain_figures([stays[i] for i in draws.integers(n, size=n)], bounds)
        for _ in range(n_replicates)
    ]
    return {
        name: (
            float(np.quantile([figures[name] for figures in drawn], 0.025)),
            float(np.quantile([figures[name] for figures in drawn], 0.975)),
        )
        for name in drawn[0]
    }
