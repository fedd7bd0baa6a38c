"""Stays as they might have been charted: more hours to ask the teacher about.

Trees say a risk of any hour, also of one that nobody had. So each training stay is given again with
measurements left out and values a little off; the teacher is asked about these hours, and the
network learns from them as from the others (Bucilă, Caruana and Niculescu-Mizil 2006).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.adapters.cohort import Cohort, concatenate
from streamer.core.cleaning import clean

MOST_LEFT_OUT: Final = 0.4
"""Of a stay's measurements; how many follows a flat distribution from none."""

NEVER_MEASURED: Final = 0.1
"""Share of the variables of a stay that are left out wholly."""

LATE: Final = 0.5
"""Share of the stays of which a beginning, at most ``LONGEST_GAP`` of them, was not charted."""
LONGEST_GAP: Final = 0.6

OFFSET, NOISE = 0.2, 0.03
"""Standard deviations of a variable by which all its values of a stay, and each one, are moved."""

YEARS: Final = 5.0
OTHER_SEX: Final = 0.1
WAITED: Final = 0.3
"""Of the logarithm of the hours between the admissions to hospital and ICU."""


def with_copies(
    cohort: Cohort, stays: NDArray[np.int64], copies: int, seed: int
) -> tuple[Cohort, NDArray[np.int64]]:
    """Adds copies of some stays behind a cohort.

    Args:
        cohort: N stays.
        stays: (n,) that are copied.
        copies: of each, all different.
        seed: the same seed gives the same copies.

    Returns:
        A cohort of ``N + copies * n`` stays, in which copies have their patient's id and labels,
        and ``(copies, n)`` where they are.
    """
    real = cohort.take(stays)
    more = [recharted(real, np.random.default_rng([seed, n])) for n in range(copies)]
    places = len(cohort) + np.arange(copies * len(stays)).reshape(copies, len(stays))
    return concatenate([cohort, *more]), places


def recharted(cohort: Cohort, draws: np.random.Generator) -> Cohort:
    """The same stays with fewer measurements, and values that are a little off."""
    n, stay, values = len(cohort), cohort.patient_of_row, cohort.values.copy()
    each = (n, values.shape[1])
    spread = _spread(values)

    left_out = draws.uniform(0, MOST_LEFT_OUT, n).astype(np.float32)
    values[draws.random(values.shape, np.float32) < left_out[stay, None]] = np.nan
    values[(draws.random(each) < NEVER_MEASURED)[stay]] = np.nan
    begins = (draws.random(n) < LATE) * draws.uniform(0, LONGEST_GAP, n) * cohort.lengths
    values[np.arange(cohort.n_rows) - cohort.starts[stay] < begins[stay]] = np.nan
    values += OFFSET * draws.standard_normal(each, np.float32)[stay] * spread
    values += NOISE * draws.standard_normal(values.shape, np.float32) * spread

    turned = np.where(cohort.sex == "male", "female", "male")
    turns = (draws.random(n) < OTHER_SEX) & (cohort.sex != "unknown")
    waited = cohort.hours_since_hospital_admission * np.exp(WAITED * draws.standard_normal(n))
    return replace(
        cohort,
        values=values,
        age=(cohort.age + YEARS * draws.standard_normal(n)).astype(np.float32),
        sex=np.where(turns, turned, cohort.sex),
        hours_since_hospital_admission=waited.astype(np.float32),
    )


def _spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V,) standard deviations of what is plausible; 0 of a variable that nobody has."""
    known = [column[~np.isnan(column)] for column in clean(values).T]
    return np.array([column.std() if len(column) else 0 for column in known], np.float32)
