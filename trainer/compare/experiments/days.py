"""Stays cut into ICU days: one row for each day and stay, at a stated moment of the day.

An ICU day is 24 hours from ICU admission on, 24 to 48 and so on. A row knows the hours of its day
up to its moment and the last values of the days before, and nothing later; a stay that has ended
by then has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from streamer.core.cleaning import clean
from trainer.compare.models.tables import snapshot_columns
from trainer.data.dataset import Material
from trainer.data.labels import onset_rows
from trainer.data.rolling import Floats

DAY_HOURS: Final = 24


class DailyRow(TypedDict):
    """The figures of a model on an outcome, as they are kept in ``daily.json``."""

    name: str
    outcome: str
    n_rows: int
    n_positive: int
    auroc: float
    auroc_ci: list[float]
    auprc: float
    auprc_ci: list[float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome that a row of a day is to predict.

    Attributes:
        name: short words for tables.
        after_hours: hours of the ICU day that have passed at the moment of prediction.
        days_ahead: 0: sepsis by the end of this day; 1: by the end of the next one.
        onset_only: leaves out stays whose onset has come, as is useful at the bedside. Otherwise
            days of a stay that is septic already are rows too: the textbook's form, where
            yesterday's status is half of the answer. Records of the public data end some hours
            after onset, so few such days are in them.
    """

    name: str
    after_hours: int
    days_ahead: int
    onset_only: bool

    @property
    def hours_left(self) -> int:
        """Hours from the moment of prediction to the end of the day that is predicted."""
        return DAY_HOURS * (1 + self.days_ahead) - self.after_hours


OUTCOMES: Final = (
    Outcome("onset on the same day, asked after 6 h", 6, 0, True),
    Outcome("onset on the next day, asked at the end of the day", 24, 1, True),
    Outcome("septic by the end of the next day, asked at the end of the day", 24, 1, False),
)


@dataclass(frozen=True, slots=True)
class Days:
    """Rows of days; D of them, those of a stay one after the other.

    Attributes:
        row: (D,) the row of the cohort at whose end the prediction is made.
        stay: (D,) index of the stay.
        step: (D,) number of the day's row within the stay, from 0.
        positive: (D,) the outcome.
        status: (D,) whether onset had come by the end of the last day that is over.
    """

    row: NDArray[np.int64]
    stay: NDArray[np.int64]
    step: NDArray[np.int64]
    positive: NDArray[np.bool_]
    status: NDArray[np.bool_]


def cut(material: Material, outcome: Outcome) -> Days:
    """The days of all stays on which the outcome can be predicted.

    Onset is where the official scorer sees it, six rows after the first positive label; it may
    come after the last row of the stay.
    """
    cohort = material.cohort
    hour = cohort.iculos - 1  # bins from ICU admission
    day = hour // DAY_HOURS
    stay = cohort.patient_of_row
    onset = (hour[cohort.starts[:-1]] + onset_rows(cohort.label, cohort.starts))[stay]
    chosen = hour % DAY_HOURS == outcome.after_hours - 1
    if outcome.onset_only:
        chosen &= onset > hour
    row = np.flatnonzero(chosen)
    first = np.concatenate([[0], np.flatnonzero(np.diff(stay[row])) + 1])  # row of each stay
    step = np.arange(len(row)) - np.repeat(first, np.diff(np.append(first, len(row))))
    days_over = day[row] + (outcome.after_hours == DAY_HOURS)
    return Days(
        row,
        stay[row],
        step,
        onset[row] < DAY_HOURS * (day[row] + 1 + outcome.days_ahead),
        onset[row] < DAY_HOURS * days_over,
    )


def day_table(material: Material, days: Days) -> Floats:
    """(D, 4 x V + W) lowest, highest, mean and number of values of the day so far; a snapshot.

    The snapshot has W columns of ``SNAPSHOT``; a statistic of no value is NaN, their number 0.
    """
    cohort = material.cohort
    values = clean(cohort.values, cohort.variables)
    hour = (cohort.iculos - 1)[days.row]
    begin = np.maximum(days.row - hour % DAY_HOURS, cohort.starts[days.stay])
    # Pairs of a day's first row and the one behind its last; the spare row may be behind them all.
    bounds = np.column_stack([begin, days.row + 1]).ravel()
    spare = np.full((1, values.shape[1]), np.nan, np.float32)
    values = np.concatenate([values, spare])
    known = ~np.isnan(values)
    lowest = np.fmin.reduceat(values, bounds)[::2]
    highest = np.fmax.reduceat(values, bounds)[::2]
    count = np.add.reduceat(known, bounds, dtype=np.float32)[::2]
    summed = np.add.reduceat(np.where(known, values, 0), bounds, dtype=np.float64)[::2]
    mean = np.divide(summed, count, out=np.full_like(summed, np.nan), where=count > 0)
    now = material.built[np.ix_(days.row, snapshot_columns(cohort.variables))]
    return np.concatenate([lowest, highest, mean, count, now], axis=1, dtype=np.float32)
