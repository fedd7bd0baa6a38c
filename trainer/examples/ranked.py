"""Rankings by several models of the same patients, compared with intervals."""

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

FIGURES: Final = ("AUROC", "AUPRC", "precision", "recall", "min(precision, recall)")
"""The figures of a model. Precision and recall are above a threshold that was chosen on other
patients; the smaller of the two is event 1 of the 2012 challenge (Silva 2012)."""


@dataclass(frozen=True, slots=True)
class PatientLabels:
    """Labels and their patients; R rows, N patients.

    Attributes:
        label: (R,) whether the event came.
        patient: (R,) index of the patient, 0 to N - 1.
    """

    label: Bools
    patient: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of several models on the same patients.

    Attributes:
        figures: by model and ``FIGURES``.
        differences: by model and ``FIGURES``: the model's figure minus the reference model's.
    """

    figures: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Estimate]]


def compare(
    labels: PatientLabels,
    risks: Mapping[str, Floats],
    thresholds: Mapping[str, float],
    against: str,
    seed: int,
    progress: Progress | None = None,
) -> Comparison:
    """Measures models, with intervals by resampling patients: the same ones for all of them.

    Args:
        labels: of the test patients.
        risks: (R,) of each model, any scale.
        thresholds: above which a risk is positive; of each model.
        against: the reference model of the differences.
        seed: random seed of the draws.
        progress: called with replicates done and replicates in all.
    """
    n = int(labels.patient.max()) + 1
    rankings = {name: Ranking(labels.label, risk, labels.patient) for name, risk in risks.items()}
    counts = {name: _counts(labels, risks[name] > thresholds[name], n) for name in risks}

    def statistics(weight: Floats) -> Floats:
        rows = []
        for name, ranking in rankings.items():
            ranks = ranking.weigh(weight)
            true, called, positive = weight @ counts[name]
            precision = true / called if called else 0.0
            recall = true / positive if positive else np.nan
            rows.append([ranks.auroc, ranks.auprc, precision, recall, min(precision, recall)])
        table = np.array(rows)
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


def _counts(labels: PatientLabels, called: Bools, n: int) -> Floats:
    """(N, 3) for each patient: events among the calls, calls, events."""
    columns = (labels.label & called, called, labels.label)
    return np.stack(
        [np.bincount(labels.patient, weights=column, minlength=n) for column in columns], axis=1
    ).astype(np.float64)
