"""Models that say how likely an event is, compared on the same patients, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.examples.estimates import Estimate, bootstrap
from trainer.metrics.ranking import Ranking

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FIGURES: Final = ("AUROC", "AUPRC", "precision", "recall", "least of both")
"""Of each model; precision and recall above a threshold that was chosen on other patients. The
last is the smaller one of the two: event 1 of the 2012 challenge (Silva 2012)."""


@dataclass(frozen=True, slots=True)
class PatientLabels:
    """What was asked, and what came of it; R questions, N patients.

    Attributes:
        label: (R,) whether the event came.
        patient: (R,) index of the patient, 0 to N - 1.
    """

    label: Bools
    patient: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64] | Bools) -> PatientLabels:
        """These questions alone."""
        return PatientLabels(self.label[rows], self.patient[rows])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of several models on the same patients.

    Attributes:
        figures: by model and ``FIGURES``.
        differences: by model and ``FIGURES``: its figure minus that of the model compared with.
    """

    figures: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Estimate]]


def compare(
    asked: PatientLabels,
    risks: Mapping[str, Floats],
    thresholds: Mapping[str, float],
    against: str,
    seed: int,
    progress: Progress | None = None,
) -> Comparison:
    """Measures models, with intervals by resampling patients: the same ones for all of them.

    Args:
        asked: on test patients.
        risks: (R,) of each model, any scale.
        thresholds: above which a risk is positive; of each model.
        against: the model that the differences are to.
        seed: of the draws.
        progress: called with replicates done and replicates in all.
    """
    n = int(asked.patient.max()) + 1
    rankings = {name: Ranking(asked.label, risk, asked.patient) for name, risk in risks.items()}
    counts = {name: _counts(asked, risks[name] > thresholds[name], n) for name in risks}

    def statistics(weight: Floats) -> Floats:
        found = []
        for name, ranking in rankings.items():
            ranks = ranking.weigh(weight)
            true, called, positive = weight @ counts[name]
            precision = true / called if called else 0.0
            recall = true / positive if positive else np.nan
            found.append([ranks.auroc, ranks.auprc, precision, recall, min(precision, recall)])
        table = np.array(found)
        return np.concatenate([table, table - table[list(rankings).index(against)]]).ravel()

    estimates = iter(bootstrap(statistics, n, seed, progress=progress))
    figures, differences = (
        {name: {figure: next(estimates) for figure in FIGURES} for name in risks} for _ in range(2)
    )
    return Comparison(figures, differences)


def best_threshold(label: Bools, risk: Floats) -> float:
    """The threshold, on validation patients, above which the smaller of precision and recall is
    largest; of equal ones the highest.
    """
    order = np.argsort(-risk, kind="stable")
    true = np.cumsum(label[order])
    ends = np.append(np.flatnonzero(np.diff(risk[order])), len(risk) - 1)
    least = np.minimum(true[ends] / (ends + 1), true[ends] / max(int(true[-1]), 1))
    best = ends[int(least.argmax())]
    below = risk[order][best + 1] if best + 1 < len(risk) else risk[order][best] - 1
    return float((risk[order][best] + below) / 2)


def _counts(asked: PatientLabels, called: Bools, n: int) -> Floats:
    """(N, 3) of each patient: events that were called, calls, events."""
    columns = (asked.label & called, called, asked.label)
    return np.stack(
        [np.bincount(asked.patient, weights=column, minlength=n) for column in columns], axis=1
    ).astype(np.float64)
