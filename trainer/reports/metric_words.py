"""Metrics by their names for readers, and their values as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamer.bundles.manifest import is_of_stay

SHOWN: Final = {
    "utility": "normalised utility (PhysioNet 2019)",
    "auroc": "AUROC, hours",
    "auprc": "AUPRC, hours",
    "patient_auroc": "AUROC, patients (highest risk of the stay)",
    "ppv_at_80_sensitivity": "precision at 80 % sensitivity, hours",
    "ece": "expected calibration error",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept, beside that slope",
    "alerts_per_patient_day": "alert starts per patient-day",
    "alert_sensitivity": "septic stays in which an alert starts from 48 hours before onset on",
    "alert_ppv": "share of alert starts that are such alerts",
    "lead_hours_median": "median lead of a found onset, hours",
    "alerted_within_48h": "septic stays under an alert at any time from 48 hours before onset on",
    "alerted_at_onset": "septic stays under an alert at onset",
    "non_septic_stays_alerted": "other stays with an alert at any time",
    "non_septic_hours_alerted": "hours of other stays under an alert",
}
"""Every metric of the manifest, with its name for readers."""

SHORT: Final = ("utility", "auroc", "auprc", "calibration_slope", "alerts_per_patient_day")
"""The metrics that the subgroup table has room for."""

_OF_ONSET: Final = ("utility", "lead_hours_median", "alerted_at_onset")
"""Metrics that mean nothing where the outcome is of the whole stay."""

_OF_STAY: Final = {
    "alert_sensitivity": "stays with the outcome in which an alert starts",
    "alert_ppv": "share of alert starts that are in such stays",
    "alerted_within_48h": "stays with the outcome under an alert at any time",
}


def shown_metrics(about: Mapping[str, Any]) -> dict[str, str]:
    """The metrics that say something of a bundle's outcome, with their names for readers.

    Args:
        about: the manifest.
    """
    if not is_of_stay(about):
        return SHOWN
    return {
        name: _OF_STAY.get(name, words) for name, words in SHOWN.items() if name not in _OF_ONSET
    }


def figure(figures: Mapping[str, Any], name: str) -> str:
    """A metric as text, with its interval where there is one.

    >>> figure({"auroc": 0.8312, "auroc_ci": [0.81, 0.85]}, "auroc")
    '0.831 [0.810, 0.850]'
    """
    value, ends = figures.get(name), figures.get(f"{name}_ci")
    if value is None:
        return "none"
    shown = f"{value:.{_digits(name)}f}"
    if ends is None or None in ends:
        return shown
    return f"{shown} {interval(ends, name)}"


def interval(ends: Sequence[float], name: str) -> str:
    """An interval of a metric as text; empty where there is none.

    >>> interval([0.81, 0.85], "auroc")
    '[0.810, 0.850]'
    """
    if any(math.isnan(end) for end in ends):
        return ""
    return f"[{ends[0]:.{_digits(name)}f}, {ends[1]:.{_digits(name)}f}]"


def _digits(name: str) -> int:
    return 1 if name == "lead_hours_median" else 4 if name in ("ece", "brier") else 3
