"""The object that ``trainer evaluate --json`` prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from trainer.metrics.bootstrap import DEFAULT_SEED, intervals
from trainer.metrics.measures import Measure, Scored

SITES: Final = ("A", "B")


def report(
    scored: Scored,
    *,
    threshold: float,
    alert_threshold: float,
    model: str,
    n_bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Counts, every metric, and the same again for each hospital that has patients here.

    Args:
        scored: what the model said.
        threshold: above which a row is positive.
        alert_threshold: above which an alert starts.
        model: id of the bundle.
        n_bootstrap: replicates for ``<metric>_ci`` = [low, high] (95 %); 0 for none.
        seed: of the bootstrap.
        progress: called with (replicates done, of), anew for each hospital.

    Returns:
        JSON values only; what cannot be had, such as a rank without a positive row, is null.
    """

    def part(of: Scored) -> dict[str, object]:
        out: dict[str, object] = {
            "n_patients": len(of.patient_ids),
            "n_septic": int(np.maximum.reduceat(of.label, of.starts[:-1]).sum()),
            "n_rows": len(of.label),
        }
        measure = Measure(of)
        for name, value in measure.figures().items():
            out[name] = _number(value)
        if n_bootstrap:
            for name, ends in intervals(measure, n_bootstrap, seed, progress).items():
                out[f"{name}_ci"] = [_number(end) for end in ends]
        return {**out, "threshold": threshold, "alert_threshold": alert_threshold, "model": model}

    here = [(name, scored.at_site(name)) for name in SITES]
    by_site = {name: part(of) for name, of in here if len(of.patient_ids)}
    return {**part(scored), "by_site": by_site}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
