"""Invented stays whose values, gaps and labels have the figures of the public data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import Cohort
from trainer.data.public_2019 import public_2019
from trainer.data.variable_figures import QUANTILES

_PRESSURES = ("sbp", "map", "dbp")


def invented_ward(n_stays: int = 250, seed: int = 0, septic: float = 0.2) -> Cohort:
    """Stays of 16 to 60 hours; a fifth of them septic, positive for their last nine hours."""
    draws = np.random.default_rng(seed)
    lengths = draws.integers(16, 60, n_stays)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = np.full((int(starts[-1]), len(VARIABLES)), np.nan, np.float32)
    pressure = _wandering(draws, lengths)
    for i, variable in enumerate(VARIABLES):
        public = public_2019()["variables"][variable.name]
        rank = pressure if variable.name in _PRESSURES else _wandering(draws, lengths)
        drawn = np.interp(rank, QUANTILES, public["quantiles"])
        is_there = draws.random(len(rank)) < public["present"]
        values[is_there, i] = np.round(drawn, 2)[is_there]
    label = np.zeros(int(starts[-1]), np.int8)
    for i in np.flatnonzero(draws.random(n_stays) < septic).tolist():
        label[starts[i + 1] - 9 : starts[i + 1]] = 1
    first = draws.choice([1, 1, 1, 4], n_stays)
    return Cohort(
        [f"mrn-{i:04}" for i in range(n_stays)],
        starts,
        values,
        np.concatenate(
            [begin + np.arange(n) for begin, n in zip(first, lengths, strict=True)]
        ).astype(np.int32),
        label,
        draws.integers(20, 90, n_stays).astype(np.float32),
        draws.choice(["female", "male"], n_stays),
        draws.choice(["medical", "surgical"], n_stays),
        draws.uniform(0.1, 90, n_stays).astype(np.float32),
        persons=np.array([f"person {i}" for i in range(n_stays)]),
    )


def _wandering(draws: np.random.Generator, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R,) ranks from 0 to 1 that wander slowly within a stay."""
    ranks = []
    for n in lengths.tolist():
        noise = draws.normal(0, 0.3, n)
        noise[0] = draws.normal()
        path = np.empty(n)
        level = 0.0
        for hour in range(n):
            level = 0.95 * level + noise[hour]
            path[hour] = level
        ranks.append(ndtr(path))
    return np.concatenate(ranks)
