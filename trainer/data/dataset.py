"""Features and scaling of whole cohorts, by the streamer's own feature builder, hour by hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core import demographics
from streamer.core.cleaning import clean
from streamer.core.features import features_of
from streamer.core.lstm_network import Network
from streamer.core.model import Scaling
from streamer.core.variables import VariableTable
from streamer.datasets.cohort import Cohort, Progress
from trainer.data.split import Side, Split

Floats = NDArray[np.float32]

LEAST_STD: Final = 1e-3
"""A feature that varies less over the training patients is constant: dividing by its standard
deviation would make a giant of the first patient who differs."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Some stays of a cohort with their features, to be scored and measured.

    Attributes:
        cohort: all stays; R rows.
        built: (R, F) raw features of all of them.
        stays: (n,) indices of the stays that count.
    """

    cohort: Cohort
    built: Floats
    stays: NDArray[np.int64]

    @classmethod
    def whole(cls, cohort: Cohort, built: Floats) -> Dataset:
        """All stays of a cohort."""
        return cls(cohort, built, np.arange(len(cohort)))

    @property
    def rows(self) -> NDArray[np.int64]:
        """(r,) all rows of the stays that count, one stay after the other."""
        return self.cohort.rows_of(self.stays)

    @property
    def part(self) -> Cohort:
        """The stays that count, as a cohort of their own."""
        return self.cohort.take(self.stays)

    def seen_by(self, variables: VariableTable, rows: NDArray[np.int64]) -> Floats:
        """Returns ``(..., F)`` features of rows as a model of these variables reads them.

        A variable that the stays do not have was never measured in them.
        """
        if variables.key == self.cohort.variables.key:
            return self.built[rows]
        builder = features_of(variables)
        theirs, ours = builder.shared(features_of(self.cohort.variables))
        seen = np.tile(builder.never_measured(), (*rows.shape, 1))
        seen[..., theirs] = self.built[rows[..., None], ours]
        return seen


@dataclass(frozen=True, slots=True)
class Material:
    """What training sees; R rows, F features.

    Attributes:
        cohort: the stays.
        built: (R, F) raw features.
        scaling: fitted on the training patients.
        split: which stay is on which side.
        start: a network to go on from; ``None``: a new one is made.
        learned: (N,) the stays that this network learned from before; ``None``: none of them.
    """

    cohort: Cohort
    built: Floats
    scaling: Scaling
    split: Split
    start: Network | None = None
    learned: NDArray[np.bool_] | None = None

    def rows_of(self, stays: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) all rows of these stays, one stay after the other."""
        return self.cohort.rows_of(stays)

    def not_learned(self, stays: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some stays that the network to go on from did not learn from."""
        return stays if self.learned is None else stays[~self.learned[stays]]

    def dataset(self, stays: NDArray[np.int64]) -> Dataset:
        """These stays, to be scored."""
        return Dataset(self.cohort, self.built, stays)

    def side(self, side: Side) -> Dataset:
        """The stays of one side of the split, to be scored."""
        return self.dataset(self.split.side(side))


def static_of(cohort: Cohort) -> Floats:
    """Returns the static input ``(N, 4)`` of each stay, in the order of ``features.STATIC``."""
    return demographics.static_rows(
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
    values, builder = clean(cohort.values, cohort.variables), features_of(cohort.variables)
    static = static_of(cohort)
    lengths = cohort.lengths
    order = np.argsort(-lengths, kind="stable")
    starts, lengths, static = cohort.starts[:-1][order], lengths[order], static[order]
    first_bins = cohort.iculos[starts] - 1
    memory = builder.empty_memory(len(cohort))
    built = np.empty((cohort.n_rows, len(builder)), np.float32)
    longest = int(lengths[0])
    for hour in range(longest):
        running = int(np.searchsorted(-lengths, -hour, side="left"))
        rows = starts[:running] + hour
        bins = (first_bins[:running] + hour).astype(np.int32)
        built[rows], memory = builder.step(values[rows], bins, static[:running], memory[:running])
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
