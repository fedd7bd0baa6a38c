"""From a cohort to what the network sees: the streamer's own feature builder, run hour by hour."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.adapters.cohort import Cohort, Progress
from streamer.core import features, particulars
from streamer.core.cleaning import clean
from streamer.core.model import Scaling

Floats = NDArray[np.float32]

LEAST_STD: Final = 1e-3
"""A feature that varies less over the training patients is constant: dividing by its standard
deviation would make a giant of the first patient who differs."""


def static_of(cohort: Cohort) -> Floats:
    """Returns the static input ``(N, 4)`` of each stay, in the order of ``features.STATIC``."""
    return particulars.static_rows(
        cohort.age,
        cohort.sex.tolist(),
        cohort.icu_type.tolist(),
        cohort.hours_since_hospital_admission,
    )


def build_features(cohort: Cohort, progress: Progress | None = None) -> Floats:
    """Returns the raw features ``(R, F)`` of every row, all stays stepped together.

    Args:
        cohort: the stays; their values are cleaned here, as the streamer cleans events.
        progress: called with hours done and hours in all.
    """
    values = clean(cohort.values)
    static = static_of(cohort)
    lengths = cohort.lengths
    order = np.argsort(-lengths, kind="stable")
    starts, lengths, static = cohort.starts[:-1][order], lengths[order], static[order]
    first_bins = cohort.iculos[starts] - 1
    memory = features.empty_memory(len(cohort))
    built = np.empty((cohort.n_rows, features.N_FEATURES), np.float32)
    longest = int(lengths[0])
    for hour in range(longest):
        running = int(np.searchsorted(-lengths, -hour, side="left"))
        rows = starts[:running] + hour
        bins = (first_bins[:running] + hour).astype(np.int32)
        built[rows], memory = features.step(values[rows], bins, static[:running], memory[:running])
        if progress is not None:
            progress(hour + 1, longest)
    return built


def fit_scaling(built: Floats, rows: NDArray[np.bool_]) -> Scaling:
    """Means and standard deviations of the features over the training rows alone.

    Args:
        built: ``(R, F)`` raw features.
        rows: ``(R,)`` true for the hours of training patients. A feature that none of them has is
            taken as constant: 0 and 1.
    """
    n_features = built.shape[1]
    mean, std = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
    for column in range(n_features):  # one at a time: a copy of all of them would be a gigabyte
        known = built[rows, column].astype(np.float64)
        known = known[~np.isnan(known)]
        if len(known):
            mean[column] = known.mean()
            std[column] = known.std() if known.std() >= LEAST_STD else 1.0
    return Scaling(mean, std)
