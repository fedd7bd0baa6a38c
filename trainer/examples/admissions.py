"""Sequences of hospital admissions, and a generator of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Admissions:
    """All admissions of many patients, in the order of their discharges; N patients, R admissions.

    Attributes:
        patient_ids: N ids.
        starts: (N + 1,) offsets; patient ``i`` has the admissions ``starts[i]:starts[i + 1]``.
        names: of the F columns.
        x: (R, F) columns that are known at discharge, NaN where unknown.
        readmitted: (R,) whether the patient was admitted again within 30 days.
    """

    patient_ids: Sequence[str]
    starts: NDArray[np.int64]
    names: tuple[str, ...]
    x: Floats
    readmitted: NDArray[np.bool_]

    @property
    def patient(self) -> NDArray[np.int64]:
        """(R,) index of the patient."""
        return np.repeat(np.arange(len(self.patient_ids)), np.diff(self.starts))

    @property
    def n_before(self) -> NDArray[np.int64]:
        """(R,) number of admissions of the patient before this one."""
        return np.arange(len(self.x)) - np.repeat(self.starts[:-1], np.diff(self.starts))

    def take(self, patients: NDArray[np.int64]) -> Admissions:
        """These patients alone, in the order given."""
        lengths = np.diff(self.starts)[patients]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.starts[patients] - starts[:-1], lengths) + np.arange(starts[-1])
        return Admissions(
            [self.patient_ids[i] for i in patients],
            starts,
            self.names,
            self.x[rows],
            self.readmitted[rows],
        )


DAYS: Final = 30  # an admission within these is a readmission
FOLLOWED_DAYS: Final = 730  # from the first discharge on; later admissions are not in the cohort
MAX_ADMISSIONS: Final = 10  # of a patient
FRAILTY_KEPT: Final = 0.8  # of the frailty from one admission to the next
INFECTED: Final = 0.15  # of admissions have a severe infection
VULNERABLE: Final = 3  # discharges, from that of the infection on, until the patient is over it
GENERATED: Final = (
    "age",
    "chronic conditions",
    "length of stay, days",
    "creatinine, mg/dL",
    "haemoglobin, g/dL",
    "sodium, mmol/L",
    "CRP, mg/L",
    "medicines",
    "emergency",
    "severe infection",
    "log days since the last discharge",
    "back within 30 days last time",
    "admissions before",
)


def rate(
    burden: Floats, frailty: Floats, worsening: Floats, vulnerable: NDArray[np.bool_], age: Floats
) -> Floats:
    """Admissions a day after a discharge: ``exp`` of a sum, so that its parts multiply.

    Args:
        burden: chronic conditions.
        frailty: hidden, about 0 on average, 1 is a standard deviation.
        worsening: rise of the frailty since the last admission, which brings patients back.
        vulnerable: whether one of the last ``VULNERABLE`` admissions had a severe infection.
        age: years.
    """
    log_rate = -7 + 0.15 * burden + 0.8 * frailty + 0.5 * worsening + 0.01 * (age - 65)
    return np.asarray(np.exp(log_rate + 1.5 * vulnerable))


def generate(n: int, draws: np.random.Generator) -> Admissions:
    """Draws a cohort.

    Each patient has an age, a number of chronic conditions (Poisson 2), and a hidden frailty:
    ``FRAILTY_KEPT`` of it stays from one admission to the next, and new trouble comes on top. The
    days until the next admission are exponential with ``rate``; up to ``DAYS`` is a readmission.
    The measurements (labs, length of stay, medicines) depend a little on the frailty, with noise
    and one lab in seven missing. A severe infection is charted in its own admission alone, but
    makes the patient vulnerable after the next discharges too: a model needs a memory to know.

    A patient is followed for ``FOLLOWED_DAYS``, or to the tenth admission. The days after the
    last one are drawn as well, so its label is known.

    Args:
        n: patients.
        draws: random numbers.
    """
    age = np.clip(draws.normal(66, 14, n), 18, 98)
    burden = draws.poisson(2, n).astype(np.float64)
    frailty = draws.normal(0, 1, n)
    before, since_infection = frailty, np.full(n, VULNERABLE)
    elapsed, gap, came_back = np.zeros(n), np.full(n, np.nan), np.zeros(n, bool)
    followed = np.arange(n)
    columns, labels, owners = [], [], []
    for k in range(MAX_ADMISSIONS):
        z = frailty[followed]
        infected = draws.random(len(followed)) < INFECTED
        since_infection[followed] = np.where(infected, 0, since_infection[followed] + 1)
        vulnerable = since_infection[followed] < VULNERABLE
        measured = _measure(age[followed], burden[followed], z, draws)
        known = [infected, np.log(gap[followed]), came_back[followed], np.full(len(followed), k)]
        columns.append(np.column_stack([measured, *known]))
        days = np.maximum(
            draws.exponential(
                1 / rate(burden[followed], z, z - before[followed], vulnerable, age[followed])
            ),
            0.5,  # half a day: a patient must have left to come back
        )
        labels.append(days <= DAYS)
        owners.append(followed)
        gap[followed], came_back[followed] = days, days <= DAYS
        elapsed[followed] += days
        before = frailty.copy()
        frailty = FRAILTY_KEPT * frailty + np.sqrt(1 - FRAILTY_KEPT**2) * draws.normal(0, 1, n)
        followed = followed[elapsed[followed] <= FOLLOWED_DAYS]
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")  # by patient; within one as they came
    lengths = np.bincount(owner, minlength=n)
    return Admissions(
        [f"g{i:06d}" for i in range(n)],
        np.concatenate([[0], np.cumsum(lengths)]),
        GENERATED,
        np.concatenate(columns)[order],
        np.concatenate(labels)[order],
    )


def _measure(age: Floats, burden: Floats, frailty: Floats, draws: np.random.Generator) -> Floats:
    """(n, 9) measurements at one discharge; labs are missing at random."""
    n = len(age)
    noise = draws.normal(0, 1, (n, 6))
    stay = np.exp(1.3 + 0.15 * frailty + 0.05 * burden + 0.6 * noise[:, 0]).round(1)
    labs = np.column_stack(
        [
            np.exp(0.05 + 0.12 * frailty + 0.06 * burden + 0.3 * noise[:, 1]),
            12.5 - 0.7 * frailty - 0.2 * burden + 1.5 * noise[:, 2],
            138.5 - 1.2 * frailty + 3.0 * noise[:, 3],
            np.exp(2.6 + 0.5 * frailty + 1.0 * noise[:, 4]),
        ]
    )
    labs[draws.random(labs.shape) < 1 / 7] = np.nan
    medicines = np.clip((5 + 1.5 * burden + 0.5 * frailty + 2 * noise[:, 5]).round(), 0, None)
    emergency = draws.random(n) < 1 / (1 + np.exp(-0.2 - 0.3 * frailty))
    return np.column_stack([age, burden, stay, labs, medicines, emergency])
