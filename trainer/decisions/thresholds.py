"""Two thresholds, chosen on validation patients: of a positive risk, and of a medium alert."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import AlertBudget
from trainer.metrics.definitions import lead_hours
from trainer.metrics.utility import best_predictions, utility_table

N_CANDIDATES: Final = 100
"""Alert thresholds tried. Each runs the alert rules over all stays; spaced evenly on a log
scale of how many rows are above, neighbours differ by a tenth in alerts, less than the budget's
own uncertainty."""


def utility_curve(
    label: NDArray[np.int8], starts: NDArray[np.int64], risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The normalised utility of "positive where risk > threshold", for every threshold there is.

    Returns:
        (K,) falling thresholds, halfway between neighbouring risks so that rounding cannot carry a
        row across, and (K,) utilities. The first threshold is above every risk, the last below.
    """
    table = utility_table(label, starts)
    gain = table[:, 1] - table[:, 0]
    thresholds, total = _gained_above(gain, risk)
    return thresholds, total / gain[best_predictions(label, starts)].sum()


def youden_curve(
    label: NDArray[np.int8], risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sensitivity plus specificity less 1 of "positive where risk > threshold", over hours.

    For outcomes of a whole stay, which the utility says nothing of (Youden 1950, Cancer 3:32-35).

    Returns:
        (K,) falling thresholds as ``utility_curve``, and (K,) of the index.
    """
    is_positive = label == 1
    n_positive = int(is_positive.sum())
    n_other = len(label) - n_positive
    gain = np.where(is_positive, 1 / max(n_positive, 1), -1 / max(n_other, 1))
    return _gained_above(gain, risk)


def _gained_above(
    gain: NDArray[np.float64], risk: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Every threshold there is, falling, and what the hours above it gain together."""
    order = np.argsort(-risk, kind="stable")
    falling = risk[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(risk) - 1)
    total = np.concatenate([[0.0], np.cumsum(gain[order])[ends]])
    lowest = falling[-1]
    below = 0.0 if lowest > 0 else lowest - 1  # a risk that was rounded to 0 can be above, too
    around = np.concatenate([[max(1.0, falling[0])], falling[ends], [below]])
    return _between(around[1:], around[:-1]), total


def best_utility(
    label: NDArray[np.int8], starts: NDArray[np.int64], score: NDArray[np.float64]
) -> float:
    """The normalised utility at the best threshold, of (R,) scores on any scale.

    >>> best_utility(np.array([0, 1], np.int8), np.array([0, 2]), np.array([-3.0, -1.0]))
    1.0
    """
    return float(utility_curve(label, starts, score)[1].max())


def best_utility_threshold(
    label: NDArray[np.int8], starts: NDArray[np.int64], risk: NDArray[np.float64]
) -> float:
    """The threshold of the highest utility, by exact scan; the higher one of equals.

    Raises:
        ValueError: no septic stay, so that utility has no meaning.
    """
    if not (label == 1).any():
        raise ValueError("no septic stay among the validation patients: a threshold needs some")
    thresholds, utilities = utility_curve(label, starts, risk)
    return float(thresholds[utilities.argmax()])


@dataclass(frozen=True, slots=True)
class AlertChoice:
    """An alert threshold with its cost and its sensitivity on the patients it was chosen on.

    Attributes:
        threshold: an alert may start above this risk.
        starts_per_patient_day: alert starts for each 24 rows.
        sensitivity: share of septic stays with an alert start from 48 hours before onset on.
        within: the bound on them that it was chosen within.
    """

    threshold: float
    starts_per_patient_day: float
    sensitivity: float
    within: float

    def to_json(self, budget: float) -> AlertBudget:
        """The manifest's ``alert_budget``: this choice, and the budget of those who asked for it.

        Args:
            budget: most alert starts per patient-day; the choice may be within less.
        """
        kept: AlertBudget = {
            "budget": budget,
            "threshold": self.threshold,
            "starts_per_patient_day": self.starts_per_patient_day,
            "sensitivity": self.sensitivity,
        }
        if self.within < budget:
            kept["within"] = self.within
        return kept


def choose_alert_threshold(
    label: NDArray[np.int8],
    starts: NDArray[np.int64],
    risk: NDArray[np.float64],
    alert_starts: Callable[[Sequence[float]], Iterable[NDArray[np.bool_]]],
    budget_per_patient_day: float,
    as_now: float = math.inf,
) -> AlertChoice:
    """The threshold that finds most septic stays within an alert budget.

    A model that is to alert as often as another one, below the budget, comes as near to that as it
    can: by twenty septic stays many thresholds are equal, by hundreds of alerts they are not.

    Args:
        label: (R,) the challenge's SepsisLabel.
        starts: (N + 1,) row offsets of the stays.
        risk: (R,) calibrated risks.
        alert_starts: the alert rules, from thresholds to (R,) where alerts start, for each.
        budget_per_patient_day: most alert starts for each 24 rows, on average.
        as_now: a lower bound that is used up where it can be.

    Returns:
        the choice of highest sensitivity; of equals the one with the fewest alerts. With a budget
        that nothing meets it is a threshold above every risk, with sensitivity 0.

    Raises:
        ValueError: a budget that is not above 0, or no septic stay.
    """
    if not budget_per_patient_day > 0:
        raise ValueError(f"the alert budget must be above 0, not {budget_per_patient_day}")
    septic = int((np.maximum.reduceat(label, starts[:-1]) == 1).sum())
    if not septic:
        raise ValueError("no septic stay among the validation patients: a threshold needs some")
    above = 1.0 - risk.max()
    within = min(budget_per_patient_day, as_now)
    best = AlertChoice(float(risk.max() + above / 2), 0.0, 0.0, within)
    candidates = _candidates(risk)
    tried = [
        AlertChoice(
            threshold,
            float(alerts.sum() / (len(risk) / 24)),
            float(np.isfinite(lead_hours(alerts, label, starts)).sum() / septic),
            within,
        )
        for threshold, alerts in zip(candidates, alert_starts(candidates), strict=True)
    ]
    if as_now < budget_per_patient_day:
        # From above: far below, where most hours are under an alert, few start, too.
        for choice in reversed(tried):
            if choice.starts_per_patient_day > within:
                break
            best = choice
        return best
    for choice in tried:
        is_better = (choice.sensitivity, -choice.starts_per_patient_day) > (
            best.sensitivity,
            -best.starts_per_patient_day,
        )
        if choice.starts_per_patient_day <= within and is_better:
            best = choice
    return best


def _between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = (low + high) / 2
    # Neighbouring floats have no middle; `risk > low` still tells them apart.
    return np.where(middle < high, middle, low)


def _candidates(risk: NDArray[np.float64]) -> list[float]:
    distinct = np.unique(risk)
    middle = _between(distinct[:-1], distinct[1:])
    if len(middle) <= N_CANDIDATES:
        return [float(threshold) for threshold in middle]
    share_above = np.geomspace(1 / len(risk), 0.5, N_CANDIDATES)
    wanted = np.quantile(risk, 1 - share_above)
    nearest = np.clip(np.searchsorted(middle, wanted), 0, len(middle) - 1)
    return [float(threshold) for threshold in np.unique(middle[nearest])]
