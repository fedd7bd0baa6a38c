"""Figures with intervals, and what the first model of several is better or worse by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from streamer.datasets.cohort import Progress
from trainer.metrics.bootstrap import percentiles, replicates
from trainer.metrics.measures import METRICS, Measure, Scored

COMPARED: Final = ("utility", "auroc", "auprc")
"""Of these the differences are shown: higher is better, whatever the calibration."""

Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model stands on some test patients.

    Attributes:
        figures: every metric and its ``_ci``, beside ``n_patients`` and ``n_septic``.
        differences: to the first model, of ``COMPARED`` and their ``_ci``; empty for the first.
    """

    figures: dict[str, Any]
    differences: dict[str, Any]

    def verdict(self, metric: str) -> Verdict | None:
        """What the interval of a difference allows to say; ``None`` where there is none."""
        ends = self.differences.get(f"{metric}_ci")
        return None if ends is None else verdict(*ends)


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
        scored: the first is what the others are compared with.
        n_replicates: of the bootstrap over patients.
        progress: called with replicates done and replicates in all.
    """
    measures = [Measure(each) for each in scored]
    drawn = replicates(measures, n_replicates, progress=progress)  # (models, replicates, metrics)
    counts = {
        "n_patients": len(scored[0].patient_ids),
        "n_septic": int(np.maximum.reduceat(scored[0].label, scored[0].starts[:-1]).sum()),
    }
    found = []
    plain = [measure.figures() for measure in measures]
    for i, figures in enumerate(plain):
        differences: dict[str, Any] = {}
        if i:
            ends = percentiles(drawn[i] - drawn[0])
            for name in COMPARED:
                differences[name] = figures[name] - plain[0][name]
                differences[f"{name}_ci"] = ends[name]
        found.append(Standing({**counts, **_known(figures, percentiles(drawn[i]))}, differences))
    return found


def _known(figures: dict[str, float], ends: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """A metric that cannot be had is ``None``, as in ``trainer evaluate --json``."""
    known: dict[str, Any] = {}
    for name in METRICS:
        known[name] = None if np.isnan(figures[name]) else figures[name]
        if not np.isnan(ends[name]).any():
            known[f"{name}_ci"] = ends[name]
    return known
