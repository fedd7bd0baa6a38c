"""The object that ``trainer evaluate --json`` prints."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from streamer.bundles.manifest import Figures
from streamer.datasets.cohort import Progress
from trainer.metrics.bootstrap import DEFAULT_SEED, intervals
from trainer.metrics.definitions import Measure, Scored

SITES: Final = ("A", "B")
"""The hospitals of the public data."""

MOST_SITES: Final = 20
"""Of more, a table has no room, and each holds too few septic stays."""


def report(
    scored: Scored,
    *,
    threshold: float,
    alert_threshold: float,
    model: str,
    n_bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
) -> Figures:
    """Counts, every metric, and the same again for each hospital that is named.

    Args:
        scored: the stays with the model's risks and decisions.
        threshold: above which a row is positive.
        alert_threshold: above which an alert starts.
        model: id of the bundle.
        n_bootstrap: replicates for ``<metric>_ci`` (95 %); 0 for none.
        seed: of the bootstrap.
        progress: called with (replicates done, of), anew for each hospital.

    Returns:
        JSON values only; a figure that cannot be had, such as a rank without a positive row, is
        null.
    """

    def figures(part: Scored) -> Figures:
        out: Figures = {
            "n_patients": len(part.patient_ids),
            "n_septic": int(np.maximum.reduceat(part.label, part.starts[:-1]).sum()),
            "n_rows": len(part.label),
        }
        measure = Measure(part)
        for name, value in measure.figures().items():
            out[name] = _number(value)
        if n_bootstrap:
            for name, ends in intervals(measure, n_bootstrap, seed, progress).items():
                out[f"{name}_ci"] = [_number(end) for end in ends]
        return {**out, "threshold": threshold, "alert_threshold": alert_threshold, "model": model}

    names = [] if scored.sites is None else sorted(set(scored.sites.tolist()) - {""})
    names = names if len(names) <= MOST_SITES else []
    by_site = {name: figures(scored.at_site(name)) for name in names}
    return {**figures(scored), "by_site": by_site}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
