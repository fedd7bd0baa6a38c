"""Clinical scores that a nurse works out by hand, as far as our columns carry them.

A value counts for 24 h; a component with none counts as normal (0). Consciousness, urine, pressors
and band cells have no column: MEWS reaches 11 of 14, NEWS2 17 of 20, qSOFA 2 of 3.

References: SIRS: Bone et al., Chest 1992. MEWS: Subbe et al., QJM 2001. SOFA: Vincent et al.,
Intensive Care Med 1996, its respiratory part from SpO2 / FiO2 with the cut-offs of Pandharipande
et al., Crit Care Med 2009, and 2 at most: no column says who is ventilated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.core.assessment import ROOM_AIR
from streamer.core.cleaning import clean
from streamer.core.clinical_scores import VALID_HOURS, news2, qsofa
from streamer.core.variables import FIO2, INDEX
from streamer.datasets.cohort import Cohort
from trainer.data.rolling import Elapsed, Floats, elapsed_hours, last_known, rolling_reduce


@dataclass(frozen=True, slots=True)
class Chart:
    """The last charted values at each row.

    Attributes:
        last: (R, V) the last cleaned value of each variable, NaN where none is 24 h young.
        on_oxygen: (R,) whether an FiO2 above room air was charted in the last 24 hours.
    """

    last: Floats
    on_oxygen: NDArray[np.bool_]

    @classmethod
    def read(cls, values: Floats, elapsed: Elapsed) -> Chart:
        """Reads (R, V) cleaned values of stays."""
        last, since = last_known(values, elapsed)
        highest = rolling_reduce(np.fmax, values[:, FIO2, None], VALID_HOURS, elapsed)[:, 0]
        return cls(np.where(since <= VALID_HOURS, last, np.float32(np.nan)), highest > ROOM_AIR)

    @classmethod
    def from_cohort(cls, cohort: Cohort) -> Chart:
        """Reads a cohort as it was charted."""
        return cls.read(clean(cohort.values, cohort.variables), elapsed_hours(cohort.starts))


Score: TypeAlias = Callable[[Chart], Floats]
"""From a chart to (R,) points."""

# The lower edge of each band, and the points below the first and in each: a value between two
# printed bands (a pressure of 70.5 mmHg) belongs to the lower one.
_MEWS: Final = {
    "sbp": ([71, 81, 101, 200], [3, 2, 1, 0, 2]),
    "heart_rate": ([41, 51, 101, 111, 130], [2, 1, 0, 1, 2, 3]),
    "resp_rate": ([9, 15, 21, 30], [2, 0, 1, 2, 3]),
    "temperature": ([35, 38.5], [2, 0, 2]),
}

ORGANS: Final = ("coagulation", "liver", "circulation", "kidneys", "lungs")


def qsofa_score(chart: Chart) -> Floats:
    """(R,) 0 to 2; the streamer's."""
    return qsofa(chart.last).astype(np.float32)


def news2_score(chart: Chart) -> Floats:
    """(R,) 0 to 17; the streamer's."""
    return news2(chart.last, chart.on_oxygen).astype(np.float32)


def sirs_score(chart: Chart) -> Floats:
    """(R,) criteria met, 0 to 4.

    >>> last = np.full((1, 34), np.nan, np.float32)
    >>> last[0, INDEX["temperature"]], last[0, INDEX["heart_rate"]] = 38.2, 90
    >>> sirs_score(Chart(last, np.array([False]))).tolist()
    [1.0]
    """
    last = chart.last
    temperature, wbc = last[:, INDEX["temperature"]], last[:, INDEX["wbc"]]
    return _count(
        (temperature < 36) | (temperature > 38),
        last[:, INDEX["heart_rate"]] > 90,
        (last[:, INDEX["resp_rate"]] > 20) | (last[:, INDEX["paco2"]] < 32),
        (wbc < 4) | (wbc > 12),
    )


def mews_score(chart: Chart) -> Floats:
    """(R,) 0 to 11."""
    points = np.zeros(len(chart.last), np.float32)
    for name, (edges, band_points) in _MEWS.items():
        value = chart.last[:, INDEX[name]]
        band = np.searchsorted(np.array(edges, np.float32), value, side="right")
        points += np.where(np.isnan(value), 0, np.array(band_points, np.float32)[band])
    return points


def organ_scores(chart: Chart) -> Floats:
    """(R, 5) the SOFA points of each of ``ORGANS``: 4, 4, 1, 4 and 2 at most."""
    last = chart.last
    return np.stack(
        [
            _count(*(last[:, INDEX["platelets"]] < edge for edge in (150, 100, 50, 20))),
            _count(*(last[:, INDEX["bilirubin_total"]] >= edge for edge in (1.2, 2, 6, 12))),
            _count(last[:, INDEX["map"]] < 70),
            _count(*(last[:, INDEX["creatinine"]] >= edge for edge in (1.2, 2, 3.5, 5))),
            _count(*(last[:, INDEX["spo2"]] / last[:, FIO2] < edge for edge in (512, 357))),
        ],
        axis=1,
    )


def sofa_score(chart: Chart) -> Floats:
    """(R,) partial SOFA, 0 to 15."""
    points: Floats = organ_scores(chart).sum(axis=1)
    return points


def _count(*met: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.sum(met, axis=0), np.float32)
