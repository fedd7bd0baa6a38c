"""Figures of several models with 95 % intervals, and their differences to the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from streamer.bundles.manifest import Figures
from streamer.datasets.cohort import Progress
from trainer.metrics.bootstrap import percentiles, replicates
from trainer.metrics.definitions import METRICS, Measure, Scored

COMPARED: Final = ("utility", "auroc", "auprc")
"""Metrics whose differences are shown: higher is better, whatever the calibration."""

Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A model's figure minus the first model's, with the 95 % interval of that difference."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """The words that the interval allows."""
        return verdict(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of a model on some test patients.

    Attributes:
        figures: every metric and its ``_ci``, beside ``n_patients`` and ``n_septic``.
        differences: to the first model, by metric of ``COMPARED``; empty for the first.
    """

    figures: Figures
    differences: dict[str, Difference]


def verdict(low: float, high: float) -> Verdict:
    """The words for a 95 % interval of "this model less the other", where higher is better.

    >>> verdict(-0.02, -0.01), verdict(-0.01, 0.01), verdict(0.0, 0.01)
    ('worse', 'no difference shown', 'no difference shown')
    """
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no difference shown"


def standings(
    scored: Sequence[Scored], n_replicates: int, progress: Progress | None = None
) -> list[Standing]:
    """Measures models on the same patients, all of them on the same resamples.

    Args:
        scored: the predictions of each model; the others are compared with the first.
        n_replicates: replicates of the bootstrap over patients.
        progress: called with replicates done and replicates in all.
    """
    measures = [Measure(predictions) for predictions in scored]
    drawn = replicates(measures, n_replicates, progress=progress)  # (models, replicates, metrics)
    counts = {
        "n_patients": len(scored[0].patient_ids),
        "n_septic": int(np.maximum.reduceat(scored[0].label, scored[0].starts[:-1]).sum()),
    }
    plain = [measure.figures() for measure in measures]
    out = []
    for i, figures in enumerate(plain):
        differences: dict[str, Difference] = {}
        if i:
            ends = percentiles(drawn[i] - drawn[0])
            for name in COMPARED:
                differences[name] = Difference(figures[name] - plain[0][name], *ends[name])
        out.append(Standing({**counts, **_with_ends(figures, percentiles(drawn[i]))}, differences))
    return out


def _with_ends(figures: dict[str, float], ends: dict[str, tuple[float, float]]) -> Figures:
    """The figures with their intervals; one that is undefined is ``None`` and has no interval."""
    known: Figures = {}
    for name in METRICS:
        known[name] = None if np.isnan(figures[name]) else figures[name]
        if not np.isnan(ends[name]).any():
            known[f"{name}_ci"] = ends[name]
    return known
