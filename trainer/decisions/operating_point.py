"""The operating point of a model, chosen on validation patients: calibration, threshold, alerts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import AlertPolicy, Phase
from streamer.core.lstm_network import HORIZONS, Network
from streamer.core.model import Calibration, Model, Scaling
from streamer.core.variables import VariableTable
from streamer.datasets.cohort import Cohort
from trainer.data.dataset import Dataset
from trainer.data.labels import horizon_labels, horizons_of, is_of_stay
from trainer.decisions.alert_replay import (
    PolicyRule,
    alert_on,
    alert_phases,
    alert_starts_of_each,
)
from trainer.decisions.calibration import fit_calibrator
from trainer.decisions.predictions import cohort_logits
from trainer.decisions.thresholds import (
    AlertChoice,
    best_utility_threshold,
    choose_alert_threshold,
    utility_curve,
    youden_curve,
)
from trainer.metrics.definitions import Scored

_UNCHOSEN_THRESHOLD = 0.5
_UNCHOSEN_POLICY = AlertPolicy(medium=0.5, high=1.0, off=0.25)
_STRAIGHT = Calibration(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))


LEAST_CHOSEN_ON: Final = 20
"""Septic stays, as for recalibration: two numbers need ten each."""


def enough_to_choose(n_septic: int) -> bool:
    """Whether calibration and thresholds can be chosen on patients with so many septic stays."""
    return n_septic >= LEAST_CHOSEN_ON


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The rules from the score of an hour to a risk, a yes and an alert.

    Attributes:
        calibration: from the score to the log odds of the 6 h risk.
        threshold: above it the risk is positive.
        policy: the alert thresholds.
    """

    calibration: Calibration
    threshold: float
    policy: AlertPolicy

    def apply(self, side: Cohort, score: NDArray[np.float64]) -> Scored:
        """Risks and decisions of these stays, from the score ``(R,)`` of each of their hours."""
        risk = self.calibration.risks(score)
        phases = alert_phases(risk, side.starts, self.policy)
        return Scored(
            side.patient_ids,
            side.starts,
            side.label,
            risk,
            risk > self.threshold,
            phases == Phase.START,
            alert_on(phases, side.starts),
            side.sites,
            side.owners,
        )


def choose_operating_point(
    score: NDArray[np.float64], side: Cohort, alert_budget: float, as_now: float = math.inf
) -> tuple[OperatingPoint, AlertChoice]:
    """Calibrates the scores of any model and chooses its thresholds.

    A risk is positive above the threshold of the best utility; where the outcome is of the whole
    stay, of the most sensitivity and specificity together.

    Args:
        score: (R,) of the hours of ``side``, rising with the risk.
        side: the validation patients.
        alert_budget: most alert starts per patient-day.
        as_now: see ``choose_alert_threshold``.

    Returns:
        the operating point, and the alert threshold with its cost on these patients.

    Raises:
        ValueError: no septic stay among them.
    """
    label, starts = side.label, side.starts
    calibration = Calibration(*fit_calibrator(score, label))
    risk = calibration.risks(score)
    rule = PolicyRule(label, starts, risk)
    alerts = choose_alert_threshold(
        label,
        starts,
        risk,
        lambda candidates: alert_starts_of_each(risk, starts, [*map(rule.complete, candidates)]),
        alert_budget,
        as_now,
    )
    if is_of_stay(side):
        thresholds, index = youden_curve(label, risk)
        threshold = float(thresholds[index.argmax()])
    else:
        threshold = best_utility_threshold(label, starts, risk)
    return OperatingPoint(calibration, threshold, rule.complete(alerts.threshold)), alerts


@dataclass(frozen=True, slots=True)
class CalibratedModel:
    """A finished model, and how its alert threshold and its threshold were chosen.

    Attributes:
        model: with an id that the bundle will replace.
        alerts: the alert threshold with its cost on validation patients.
        thresholds: (K,) of the curve that the threshold was chosen by, falling.
        utilities: (K,) at those thresholds, or ``youden_curve`` of an outcome of the whole stay.
        n_stays: that all of it was chosen on, and the septic ones among them.
    """

    model: Model
    alerts: AlertChoice
    thresholds: NDArray[np.float64]
    utilities: NDArray[np.float64]
    n_stays: tuple[int, int]


def uncalibrated(network: Network, scaling: Scaling, variables: VariableTable) -> Model:
    """A model for its logits alone, without a calibration or thresholds of its own.

    Args:
        network: trained.
        scaling: of its features.
        variables: that these are of.
    """
    straight = (_STRAIGHT,) * len(HORIZONS)
    model = Model("", network, scaling, straight, _UNCHOSEN_THRESHOLD, _UNCHOSEN_POLICY)
    model.variables = variables
    return model


def calibrate(
    network: Network,
    scaling: Scaling,
    validation: Dataset,
    alert_budget: float,
    unseen: NDArray[np.float64] | None = None,
    as_now: float = math.inf,
) -> CalibratedModel:
    """Calibrates a trained network and chooses its thresholds.

    Args:
        network: trained.
        scaling: of its features.
        validation: the stays that may be looked at.
        alert_budget: most alert starts per patient-day.
        unseen: (R, 3) logits to choose by in place of the network's own, where it learned from
            these stays.
        as_now: see ``choose_alert_threshold``.

    Raises:
        ValueError: no septic stay among them.
    """
    part = validation.part
    if unseen is None:
        unseen = cohort_logits(uncalibrated(network, scaling, part.variables), validation)
    logits = unseen[validation.rows]
    operating_point, alerts = choose_operating_point(logits[:, 0], part, alert_budget, as_now)
    labels = horizon_labels(part.label, part.starts, horizons_of(part))
    longer = (
        Calibration(*fit_calibrator(logits[:, i], labels[:, i])) for i in range(1, len(HORIZONS))
    )
    calibrations = (operating_point.calibration, *longer)
    model = Model(
        "", network, scaling, calibrations, operating_point.threshold, operating_point.policy
    )
    if part.task is not None:
        model.horizons = part.task.horizon_names
        model.variables = part.variables
        model.unread = part.variables.unnamed(part.task.variables)
    risk = operating_point.calibration.risks(logits[:, 0])
    n_stays = len(part), int(part.septic.sum())
    curve = (
        youden_curve(part.label, risk)
        if is_of_stay(part)
        else utility_curve(part.label, part.starts, risk)
    )
    return CalibratedModel(model, alerts, *curve, n_stays)
