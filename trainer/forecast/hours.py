"""Inputs and targets of a forecast: the LSTM's outputs, and the values of the hours after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core import features
from streamer.core.cleaning import clean
from streamer.core.forecast import FORECAST_VITALS, HOURS, LAST, VARIABLES
from streamer.core.lstm_network import Network
from streamer.core.model import Scaling
from streamer.datasets.cohort import Cohort
from trainer.data.batches import by_length
from trainer.data.dataset import Dataset

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Counted from the end, where all tables of variables have the same features.
_SLOW_GAP = np.array(
    [features.NAMES.index(f"deviation:{name}") - features.N_FEATURES for name in FORECAST_VITALS]
)


def last_known(built: Floats) -> Floats:
    """The last known value of each vital sign ``(n, 5)``, of raw features ``(n, F)``."""
    return built[:, LAST]


def running_mean(built: Floats) -> Floats:
    """The patient's own slow mean ``(n, 5)``, of raw features ``(n, F)``: half-life 12 h."""
    mean: Floats = built[:, LAST] - built[:, _SLOW_GAP]
    return mean


class Future:
    """The values that were measured in the hours after each row, of the same stay."""

    def __init__(self, cohort: Cohort) -> None:
        self._vitals = clean(cohort.values, cohort.variables)[:, VARIABLES]  # (R, 5)
        self._end = np.repeat(cohort.starts[1:], cohort.lengths)  # (R,) of the row's stay

    def after(self, rows: Rows) -> Floats:
        """Returns ``(n, 5, 6)`` by vital sign and hour; NaN where not measured, or after the end.

        Args:
            rows: ``(n,)`` of the cohort.
        """
        later = rows[:, None] + np.array(HOURS)  # (n, 6)
        in_stay = later < self._end[rows][:, None]
        values = self._vitals[np.where(in_stay, later, 0)]  # (n, 6, 5)
        values[~in_stay] = np.nan
        return values.transpose(0, 2, 1)


def outputs(network: Network, scaling: Scaling, dataset: Dataset) -> Floats:
    """Runs whole stays and returns the LSTM's output ``(R, hidden)`` after each of their hours.

    Args:
        network: trained.
        scaling: of its features.
        dataset: the stays to run; the rows of others are NaN.
    """
    hidden = np.full((dataset.cohort.n_rows, network.architecture.hidden), np.nan, np.float32)
    for batch in by_length(dataset.cohort, dataset.stays):
        _, out = network.run(scaling.apply(dataset.built[batch.rows]))  # (T, B, hidden)
        hidden[batch.rows[batch.real]] = out[batch.real]
    return hidden
