"""What a forecast is made from and held against: the LSTM's outputs, and what came true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core import features
from streamer.core.cleaning import clean
from streamer.core.forecast import FORECAST_VITALS, HOURS, LAST, VARIABLES
from streamer.core.model import Scaling
from streamer.core.network import Network
from streamer.datasets.cohort import Cohort
from trainer.data.batches import by_length

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

_SLOW_GAP = np.array([features.NAMES.index(f"deviation:{name}") for name in FORECAST_VITALS])


def last_known(built: Floats) -> Floats:
    """The last known value of each vital sign ``(n, 5)``, of raw features ``(n, F)``."""
    return built[:, LAST]


def running_mean(built: Floats) -> Floats:
    """The patient's own slow mean ``(n, 5)``, of raw features ``(n, F)``: half-life 12 h."""
    mean: Floats = built[:, LAST] - built[:, _SLOW_GAP]
    return mean


class Future:
    """What was measured in the hours after each row, of the same stay."""

    def __init__(self, cohort: Cohort) -> None:
        self._vitals = clean(cohort.values)[:, VARIABLES]  # (R, 5)
        self._end = np.repeat(cohort.starts[1:], cohort.lengths)  # (R,) of the row's stay

    def after(self, rows: Rows) -> Floats:
        """Returns ``(n, 5, 6)`` by vital sign and hour; NaN where not measured, or after the end.

        Args:
            rows: ``(n,)`` of the cohort.
        """
        later = rows[:, None] + np.array(HOURS)  # (n, 6)
        there = later < self._end[rows][:, None]
        found = self._vitals[np.where(there, later, 0)]  # (n, 6, 5)
        found[~there] = np.nan
        return found.transpose(0, 2, 1)


def outputs(
    network: Network,
    scaling: Scaling,
    cohort: Cohort,
    built: Floats,
    stays: Rows,
) -> Floats:
    """Runs whole stays and returns the LSTM's output ``(R, hidden)`` after each of their hours.

    Args:
        network: trained.
        scaling: of its features.
        cohort: the stays.
        built: (R, F) their raw features.
        stays: which ones to run; the rows of others stay NaN.
    """
    found = np.full((cohort.n_rows, network.architecture.hidden), np.nan, np.float32)
    for batch in by_length(cohort, stays):
        _, out = network.run(scaling.apply(built[batch.rows]))  # (T, B, hidden)
        found[batch.rows[batch.real]] = out[batch.real]
    return found
