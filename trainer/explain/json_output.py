"""The object of ``trainer explain --json``: an explanation as JSON values."""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import Phase
from streamer.core.lstm_network import HORIZONS
from trainer.explain.explanation import Explanation
from trainer.explain.influence import Influence
from trainer.explain.lstm_gates import Gates
from trainer.explain.text import SPREAD, sentences, spread


class AlertPolicyObject(TypedDict):
    """The alert thresholds: risks of onset within 6 h."""

    medium: float
    high: float
    off: float


class AlertObject(TypedDict):
    """A change of the alert: its hour, and ``start``, ``escalate`` or ``end``."""

    hour: int
    phase: str


class LogOddsObject(TypedDict):
    """The two parts of the uncalibrated log odds of the 6 h risk, by hour."""

    encoder: list[float]
    lstm: list[float]


class GatesObject(TypedDict):
    """Mean, ``p10`` and ``p90`` of all units by hour, and each unit's half-life in hours."""

    forget: dict[str, list[float]]
    input: dict[str, list[float]]
    output: dict[str, list[float]]
    half_life_hours: list[float]


class InfluenceObject(TypedDict):
    """An ``Influence``; lists have an item for each hour of the stay."""

    variable: str
    hour: int
    value: float
    unit: str
    measured_again_hour: int | None
    hours_to_half: int | None
    change: list[float]
    by_features: list[float]
    by_state: list[float]
    risk_without: list[float]


class ExplanationObject(TypedDict):
    """An ``Explanation``; lists have an item for each hour of the stay."""

    patient: str
    model: str
    hours: list[int]
    onset_hour: float | None
    labelled: bool
    threshold: float
    alert_policy: AlertPolicyObject
    risks: dict[str, list[float]]
    alerts: list[AlertObject]
    peak_hour: int
    contributions: dict[str, list[float]]
    log_odds: LogOddsObject
    gates: GatesObject
    influences: list[InfluenceObject]
    reading: list[str]


def to_json(explanation: Explanation) -> ExplanationObject:
    """The explanation as JSON values; log odds and gates have five decimals."""
    measured = np.flatnonzero(~np.isnan(explanation.values).all(axis=0))
    hour, policy = explanation.hour, explanation.policy
    return {
        "patient": explanation.patient,
        "model": explanation.model_id,
        "hours": hour.tolist(),
        "onset_hour": explanation.onset if math.isfinite(explanation.onset) else None,
        "labelled": not math.isnan(explanation.onset),
        "threshold": explanation.threshold,
        "alert_policy": {"medium": policy.medium, "high": policy.high, "off": policy.off},
        "risks": dict(zip(HORIZONS, explanation.risks.T.tolist(), strict=True)),
        "alerts": [
            {"hour": int(hour[row]), "phase": Phase(explanation.phases[row]).name.lower()}
            for row in np.flatnonzero(explanation.phases)
        ],
        "peak_hour": int(hour[explanation.peak]),
        "contributions": {
            explanation.variables.names[v]: _rounded(explanation.contributions[:, v])
            for v in measured
        },
        "log_odds": {
            "encoder": _rounded(explanation.encoder_logit),
            "lstm": _rounded(explanation.lstm_logit),
        },
        "gates": _gates(explanation.gates),
        "influences": [_influence(explanation, influence) for influence in explanation.influences],
        "reading": sentences(explanation),
    }


def _gates(gates: Gates) -> GatesObject:
    return {
        "forget": _spread(gates.f),
        "input": _spread(gates.i),
        "output": _spread(gates.o),
        "half_life_hours": _rounded(gates.half_lives().ravel()),
    }


def _influence(explanation: Explanation, influence: Influence) -> InfluenceObject:
    hour = explanation.hour
    variable = explanation.variables.all[influence.measurement.variable]
    again = influence.replaced
    return {
        "variable": variable.name,
        "hour": int(hour[influence.measurement.row]),
        "value": influence.value,
        "unit": variable.ucum,
        "measured_again_hour": None if again is None else int(hour[again]),
        "hours_to_half": influence.hours_to_half,
        "change": _rounded(influence.change),
        "by_features": _rounded(influence.by_features),
        "by_state": _rounded(influence.by_state),
        "risk_without": influence.risk_without.tolist(),
    }


def _spread(gate: NDArray[np.float32]) -> dict[str, list[float]]:
    names = ("mean", *(f"p{p}" for p in SPREAD))
    return dict(zip(names, map(_rounded, spread(gate)), strict=True))


def _rounded(values: NDArray[np.floating]) -> list[float]:
    rounded: list[float] = values.astype(np.float64).round(5).tolist()
    return rounded
