"""Measures of a model, each a function of the weights of the stays.

So the plain figure (each stay once) and a bootstrap replicate are the same code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer.data.labels import hours_from_onset
from trainer.metrics.calibration_error import (
    ECE_BINS,
    logistic_line,
    logit,
    mass_bins,
    newton_step,
    score_and_information,
)
from trainer.metrics.ranking import Ranking
from trainer.metrics.utility import patient_utility

METRICS: Final = (
    "utility",
    "auroc",
    "auprc",
    "patient_auroc",
    "ece",
    "brier",
    "calibration_slope",
    "calibration_intercept",
    "ppv_at_80_sensitivity",
    "alerts_per_patient_day",
    "alert_sensitivity",
    "alert_ppv",
    "lead_hours_median",
    "alerted_within_48h",
    "alerted_at_onset",
    "non_septic_stays_alerted",
    "non_septic_hours_alerted",
)

LEAD_WINDOW_HOURS: Final = 48.0
"""An alert this long before onset, or later, has foreseen it: the longest horizon of the model.
An earlier one is a false alarm for a patient who fell ill days after."""

_MOST_STEPS: Final = 20
_LAST_STEP: Final = 1e-5  # Newton squares its error at each step, so some 1e-9 is left after this


@dataclass(frozen=True, slots=True)
class Scored:
    """Stays with a model's risk and decisions at each hour; N stays, R rows.

    Attributes:
        patient_ids: N ids.
        starts: (N + 1,) row offsets of the stays.
        label: (R,) the challenge's SepsisLabel.
        risk: (R,) calibrated probability of onset within 6 hours.
        positive: (R,) whether the risk is above the bundle's threshold.
        alert_starts: (R,) whether an alert starts at this row, by the alert rules.
        alert_on: (R,) whether the stay is under an alert after this row.
        sites: (N,) the hospital of each stay, empty where unknown; ``None``: nobody said.
        owners: N names, equal for stays of one person; ``None``: each is a person's only one.
    """

    patient_ids: Sequence[str]
    starts: NDArray[np.int64]
    label: NDArray[np.int8]
    risk: NDArray[np.float64]
    positive: NDArray[np.bool_]
    alert_starts: NDArray[np.bool_]
    alert_on: NDArray[np.bool_]
    sites: NDArray[np.str_] | None = None
    owners: Sequence[str] | None = None

    def take(self, stays: NDArray[np.integer]) -> Scored:
        """These stays alone, in the order given."""
        lengths = np.diff(self.starts)[stays]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.starts[stays] - starts[:-1], lengths) + np.arange(starts[-1])
        return Scored(
            [self.patient_ids[i] for i in stays],
            starts,
            self.label[rows],
            self.risk[rows],
            self.positive[rows],
            self.alert_starts[rows],
            self.alert_on[rows],
            None if self.sites is None else self.sites[stays],
            None if self.owners is None else [self.owners[i] for i in stays],
        )

    def at_site(self, name: str) -> Scored:
        """The stays of a hospital."""
        sites = np.full(len(self.patient_ids), "") if self.sites is None else self.sites
        return self.take(np.flatnonzero(sites == name))


def lead_hours(
    alert_starts: NDArray[np.bool_],
    label: NDArray[np.int8],
    starts: NDArray[np.int64],
    window_hours: float = LEAD_WINDOW_HOURS,
) -> NDArray[np.float64]:
    """(N,) hours from the first alert that foresaw onset to onset; minus infinity without one.

    Counts alerts that start from ``window_hours`` before onset to the end of the stay; the lead is
    negative for an alert that came after onset.

    >>> label, starts = np.array([0, 0, 1, 1], np.int8), np.array([0, 4])
    >>> lead_hours(np.array([False, True, False, False]), label, starts).tolist()
    [7.0]
    """
    foresaw = foreseeing(alert_starts, label, starts, window_hours)
    hours = hours_from_onset(label, starts)
    return np.asarray(np.maximum.reduceat(np.where(foresaw, -hours, -np.inf), starts[:-1]))


def foreseeing(
    alert_starts: NDArray[np.bool_],
    label: NDArray[np.int8],
    starts: NDArray[np.int64],
    window_hours: float = LEAD_WINDOW_HOURS,
) -> NDArray[np.bool_]:
    """(R,) alert starts from ``window_hours`` before onset to the end of a septic stay."""
    return np.asarray(alert_starts & (hours_from_onset(label, starts) >= -window_hours))


def numbered(owners: Sequence[str]) -> NDArray[np.int64]:
    """(N,) the number of each name, by first appearance.

    >>> numbered(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    numbers = {name: i for i, name in enumerate(dict.fromkeys(owners))}
    return np.array([numbers[name] for name in owners], np.int64)


class Measure:
    """The figures of one model on one set of stays, as a function of the weights of the stays.

    - ``utility``: official normalised utility of ``positive``.
    - ``auroc``, ``auprc``, ``ppv_at_80_sensitivity``: over all rows; the last is the precision at
      the highest risk from which up 80 % of the positive rows are found.
    - ``patient_auroc``: the highest risk of a stay against whether it is septic at all.
    - ``ece``: over 20 equal-mass bins of rows, fixed on the whole set.
    - ``brier``: mean squared difference of risk and label over rows.
    - ``calibration_slope``, ``calibration_intercept``: logistic regression of the label on the log
      odds of the risk, over rows, fitted anew for each set of weights.
    - ``alerts_per_patient_day``: alert starts for each 24 rows.
    - ``alert_sensitivity``: share of the septic stays with an alert that foresaw onset, as in
      ``lead_hours``.
    - ``alert_ppv``: share of the alert starts that did.
    - ``lead_hours_median``: median of ``lead_hours`` over the septic stays with such an alert.
    - ``alerted_within_48h``: share of the septic stays under an alert in any hour from 48 hours
      before onset on. An alert that started before is still on for some, so it is above
      ``alert_sensitivity``.
    - ``alerted_at_onset``: share of the septic stays under an alert at onset; at the last hour of a
      record that ends before.
    - ``non_septic_stays_alerted``: share of the other stays with an alert at any time.
    - ``non_septic_hours_alerted``: share of the hours of the other stays under an alert.
    """

    def __init__(self, scored: Scored) -> None:
        first, label, risk = scored.starts[:-1], scored.label, scored.risk
        self.n_stays = len(first)
        self.person = numbered(scored.patient_ids if scored.owners is None else scored.owners)
        stay = np.repeat(np.arange(self.n_stays), np.diff(scored.starts))
        self._rows = np.diff(scored.starts).astype(np.float64)
        self._ranking = Ranking(label, risk, stay)
        self._patients = Ranking(
            np.maximum.reduceat(label, first),
            np.maximum.reduceat(risk, first),
            np.arange(self.n_stays),
        )
        utility = patient_utility(label, scored.starts, scored.positive)
        self._gained = utility.observed - utility.inaction
        self._gainable = utility.best - utility.inaction
        self._squared = np.add.reduceat((risk - label) ** 2, first)
        cell = stay * ECE_BINS + mass_bins(risk)
        gap = np.bincount(cell, weights=risk - label, minlength=self.n_stays * ECE_BINS)
        self._gap = gap.reshape(self.n_stays, ECE_BINS)
        self._alerts = np.add.reduceat(scored.alert_starts.astype(np.float64), first)

        self._stay, self._label, self._log_odds = stay, label.astype(np.float64), logit(risk)
        self._line = np.array(logistic_line(self._log_odds, label))
        score, information = score_and_information(self._log_odds, self._label, self._line)
        self._score = np.add.reduceat(score, first)
        self._information = np.add.reduceat(information, first)

        foresaw = foreseeing(scored.alert_starts, label, scored.starts)
        self._true_alerts = np.add.reduceat(foresaw.astype(np.float64), first)
        self._septic = np.maximum.reduceat(label, first).astype(np.float64)
        lead = lead_hours(scored.alert_starts, label, scored.starts)
        self._foreseen = (~np.isneginf(lead)).astype(np.float64)
        self._forewarned = np.argsort(lead, kind="stable")[np.isneginf(lead).sum() :]
        self._lead = lead[self._forewarned]

        hours = hours_from_onset(label, scored.starts)
        on = scored.alert_on
        last = np.zeros(len(label), np.bool_)
        last[scored.starts[1:] - 1] = True
        is_onset = (hours == 0) | (last & (hours < 0) & np.isfinite(hours))
        near = on & (hours >= -LEAD_WINDOW_HOURS)
        self._on_near = np.maximum.reduceat(near, first).astype(np.float64)
        self._on_at_onset = np.maximum.reduceat(on & is_onset, first).astype(np.float64)
        self._other = 1 - self._septic
        self._other_on = np.maximum.reduceat(on, first) * self._other
        self._other_rows = self._rows * self._other
        self._other_rows_on = np.add.reduceat(on.astype(np.float64), first) * self._other

    def figures(
        self, weight: NDArray[np.float64] | None = None, names: Sequence[str] = METRICS
    ) -> dict[str, float]:
        """These of ``METRICS``; NaN where one is undefined, as without a positive row.

        Args:
            weight: (N,) how often each stay counts; once each where absent.
            names: which of them; the calibration line takes as long as all others together.
        """
        w = np.ones(self.n_stays) if weight is None else weight
        rows = float(self._rows @ w)
        gainable = float(self._gainable @ w)
        ranks = cache(lambda: self._ranking.weigh(w))
        line = cache(lambda: self._calibration_line(w))
        values: dict[str, Callable[[], float]] = {
            "utility": lambda: float(self._gained @ w) / gainable if gainable > 0 else math.nan,
            "auroc": lambda: ranks().auroc,
            "auprc": lambda: ranks().auprc,
            "patient_auroc": lambda: self._patients.weigh(w).auroc,
            "ece": lambda: np.abs(w @ self._gap).sum() / rows,
            "brier": lambda: float(self._squared @ w) / rows,
            "calibration_slope": lambda: line()[0],
            "calibration_intercept": lambda: line()[1],
            "ppv_at_80_sensitivity": lambda: ranks().ppv,
            "alerts_per_patient_day": lambda: float(self._alerts @ w) / (rows / 24),
            "alert_sensitivity": lambda: _share(self._foreseen, self._septic, w),
            "alert_ppv": lambda: _share(self._true_alerts, self._alerts, w),
            "lead_hours_median": lambda: self._median_lead(w),
            "alerted_within_48h": lambda: _share(self._on_near, self._septic, w),
            "alerted_at_onset": lambda: _share(self._on_at_onset, self._septic, w),
            "non_septic_stays_alerted": lambda: _share(self._other_on, self._other, w),
            "non_septic_hours_alerted": lambda: _share(self._other_rows_on, self._other_rows, w),
        }
        return {name: values[name]() for name in names}

    def _calibration_line(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        if np.isnan(self._line).any():
            return self._line
        try:
            step = np.linalg.solve(np.tensordot(w, self._information, 1), w @ self._score)
            line = self._line + step
            weight = w[self._stay]
            # From so near it takes two or three steps: more means that there is no maximum.
            for _ in range(_MOST_STEPS):
                before, line = line, newton_step(self._log_odds, self._label, weight, line)
                if np.abs(line - before).max() < _LAST_STEP:
                    return line
        except np.linalg.LinAlgError:
            pass
        return np.full(2, np.nan)

    def _median_lead(self, w: NDArray[np.float64]) -> float:
        weight = w[self._forewarned]
        so_far = np.cumsum(weight)
        if not len(weight) or so_far[-1] <= 0:
            return math.nan
        half = so_far[-1] / 2
        low = self._lead[np.searchsorted(so_far, half)]
        high = self._lead[np.searchsorted(so_far, half, side="right")]
        return float((low + high) / 2)


def _share(
    part: NDArray[np.float64], whole: NDArray[np.float64], weight: NDArray[np.float64]
) -> float:
    """The weighted share of one ``(N,)`` count in another; NaN where that is 0."""
    most = float(whole @ weight)
    return float(part @ weight) / most if most > 0 else math.nan
