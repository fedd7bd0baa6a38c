"""Bootstrap intervals over patients: the rows of a stay are not independent, nor are the stays of a
person; persons are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Progress
from trainer.metrics.definitions import METRICS, Measure

DEFAULT_SEED: Final = 2019
LEVEL: Final = 0.95
TAILS: Final = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
"""The quantiles at the ends of an interval."""


def resamples(
    n: int, n_replicates: int, seed: int, progress: Progress | None = None
) -> Iterator[NDArray[np.float64]]:
    """Yields ``(n,)`` how often each patient counts, for each replicate of a bootstrap.

    Args:
        n: patients.
        n_replicates: how many times they are drawn, with replacement.
        seed: the same seed draws the same patients.
        progress: called with (replicates done, of).
    """
    draws = np.random.default_rng(seed)
    for replicate in range(n_replicates):
        yield np.bincount(draws.integers(n, size=n), minlength=n).astype(np.float64)
        if progress is not None:
            progress(replicate + 1, n_replicates)


def replicates(
    measures: Sequence[Measure],
    n_replicates: int,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
    names: Sequence[str] = METRICS,
) -> NDArray[np.float64]:
    """Figures of several models on the same resampled patients, each with all stays of the person.

    Args:
        measures: of the same stays in the same order; one is fine.
        n_replicates: 1000 for intervals that are reported.
        seed: the same seed draws the same patients.
        progress: called with (replicates done, of).
        names: the figures, some of ``METRICS``.

    Returns:
        (models, replicates, len(names)).

    Raises:
        ValueError: models that were measured on different numbers of stays.
    """
    person = measures[0].person
    if any(not np.array_equal(measure.person, person) for measure in measures):
        raise ValueError("a paired bootstrap needs every model measured on the same stays")
    n = int(person.max()) + 1
    figures = np.empty((len(measures), n_replicates, len(names)))
    for replicate, drawn in enumerate(resamples(n, n_replicates, seed, progress)):
        weight = drawn[person]
        for i, measure in enumerate(measures):
            figures[i, replicate] = list(measure.figures(weight, names).values())
    return figures


def intervals(
    measure: Measure,
    n_replicates: int,
    seed: int = DEFAULT_SEED,
    progress: Progress | None = None,
) -> dict[str, tuple[float, float]]:
    """The 95 % percentile interval of each of ``METRICS``.

    Resampling adds noise to every bin of the ``ece``, so its interval lies high: the figure itself
    can be at its lower end or below.
    """
    return percentiles(replicates([measure], n_replicates, seed, progress)[0])


def paired_intervals(
    measure: Measure, other: Measure, n_replicates: int
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of ``measure`` minus ``other``, both on the same resampled patients.

    Most of the spread of a figure comes from which patients are in the set, and drops out of the
    difference: an interval that leaves out 0 tells two models apart.
    """
    both = replicates([measure, other], n_replicates)
    return percentiles(both[0] - both[1])


def percentiles(
    figures: NDArray[np.float64], names: Sequence[str] = METRICS
) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each of ``names`` over replicates ``(replicates, len(names))``."""
    by_name = {}
    for i, name in enumerate(names):
        values = figures[:, i][~np.isnan(figures[:, i])]
        low, high = np.quantile(values, TAILS) if len(values) else (np.nan, np.nan)
        by_name[name] = (float(low), float(high))
    return by_name
