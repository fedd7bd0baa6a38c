"""A generated cohort in which three drugs act on one status, each in a shape of its own.

The status of an hour is a number, such as a change of mean pressure in units of its usual spread:

    status[t] = sum over doses of A of 2 exp(-lag / 6 h)       A: at once, falls exponentially
              + 1.5 if any dose of B is 0 to 11 h old          B: flat for 12 h, then nothing
              - sum over doses of C of late(lag)               C: late, a plateau, then it falls
              + noise

``lag`` is the hours since a dose, 0 in its own hour. Doses of A and of C add up; a second dose of B
only makes the first last longer, like a drug whose receptor is saturated: no sum of single doses
can express that. ``late`` is 0 for 8 h, 1.2 for the next 8, and falls in a line to 0 at 24 h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRUGS: Final = ("A", "B", "C")
SHAPES: Final = ("falls exponentially", "flat, then drops", "starts late")
HOURS: Final = 72  # of a stay
LONGEST: Final = 36  # hours of a response curve; the last effect ends after 24
DECAY_HOURS: Final = 6.0
FLAT_HOURS: Final = 12
ONSET_HOURS, FALL_HOURS, END_HOURS = 8, 16, 24
NOISE: Final = 0.5  # standard deviation of the status of an hour
RATES: Final = (0.05, 0.04, 0.04)  # doses an hour: one to two in a day


@dataclass(frozen=True, slots=True)
class DrugCohort:
    """Stays of equal length; N patients, T hours.

    Attributes:
        doses: (N, T, 3) 1 in an hour with a dose.
        status: (N, T) as measured, with noise.
    """

    doses: Floats
    status: Floats


def curves() -> Floats:
    """(3, LONGEST) the true effect of one dose of each drug, by hours since it was given.

    >>> curves()[:, [0, 6, 11, 12, 20, 24]].round(2).tolist()[1]
    [1.5, 1.5, 1.5, 0.0, 0.0, 0.0]
    """
    lag = np.arange(LONGEST)
    late = np.clip((END_HOURS - lag) / (END_HOURS - FALL_HOURS), 0, 1) * (lag >= ONSET_HOURS)
    return np.stack([2 * np.exp(-lag / DECAY_HOURS), 1.5 * (lag < FLAT_HOURS), -1.2 * late])


def effects(doses: Floats) -> Floats:
    """(N, T) the status without noise.

    Args:
        doses: (N, T, 3) 1 in an hour with a dose.
    """
    hours = doses.shape[1]
    kernel = np.zeros((len(DRUGS), max(hours, LONGEST)))
    kernel[:, :LONGEST] = curves()
    if hours > LONGEST:  # A alone is never quite over
        kernel[0] = 2 * np.exp(-np.arange(hours) / DECAY_HOURS)
    out = np.zeros(doses.shape[:2])
    for lag in range(hours):
        earlier = doses[:, : hours - lag]
        out[:, lag:] += earlier[..., 0] * kernel[0, lag] + earlier[..., 2] * kernel[2, lag]
    flat = kernel[1, 0] * np.minimum(recent(doses[..., 1], FLAT_HOURS), 1)
    return np.asarray(out + flat)


def recent(doses: Floats, hours: int) -> Floats:
    """(N, T) number of doses in the last ``hours`` hours, this one included."""
    so_far = np.cumsum(doses, axis=1)
    before = np.zeros_like(so_far)
    before[:, hours:] = so_far[:, :-hours]
    return np.asarray(so_far - before)


def draw(n: int, draws: np.random.Generator) -> DrugCohort:
    """Draws ``n`` patients.

    Args:
        n: patients.
        draws: random numbers.
    """
    doses = (draws.random((n, HOURS, len(DRUGS))) < RATES).astype(np.float64)
    return DrugCohort(doses, effects(doses) + draws.normal(0, NOISE, (n, HOURS)))
