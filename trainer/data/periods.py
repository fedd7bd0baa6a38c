"""The split in time beside the split by patient: frozen test, newest weeks, training before them.

A patient's side holds for ever. The frozen test is the test side up to a day that is set once; the
newest weeks are a second opinion on patients of any side whom no training has seen, and age into
their sides afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import DAY_MS, HOUR_MS
from trainer.archive.labels import MATURE_HOURS
from trainer.archive.stay_ids import archived
from trainer.data.split import side_of

NEWEST_DAYS: Final = 56
"""A ward of 20 beds gathers some 40 septic stays in them. The gate closes where a loss above 0.05
is shown: in four of five cases if it is 0.10, of two models that learned from the same stays (0.05
and 2.49 standard deviations of 0.021), or 0.16, where they learned from others (of 0.044)."""


@dataclass(frozen=True, slots=True)
class Periods:
    """Indices of the stays of each part, ascending; no patient is in two of them.

    Attributes:
        training: of the train and validation sides, discharged before the newest weeks.
        frozen: of the test side, discharged up to the frozen day.
        newest: of the newest weeks; ``None`` where the archive is younger than twice their length.
    """

    training: NDArray[np.int64]
    frozen: NDArray[np.int64]
    newest: NDArray[np.int64] | None


def divide(
    owners: Sequence[str],
    discharge_ms: NDArray[np.int64],
    now_ms: int,
    frozen_until_ms: int,
    newest_days: float = NEWEST_DAYS,
    mature_hours: float = MATURE_HOURS,
) -> Periods:
    """Divides mature stays.

    Args:
        owners: the owner of each of N stays.
        discharge_ms: (N,) when each was discharged.
        now_ms: the log's own time.
        frozen_until_ms: the day of the frozen test's last discharge.
        newest_days: length of the newest weeks, which end ``mature_hours`` ago.
        mature_hours: hours after discharge at which a stay is mature.
    """
    sides = np.array([side_of(owner) for owner in owners], np.str_)
    newest_ms = now_ms - round(mature_hours * HOUR_MS) - round(newest_days * DAY_MS)
    # With less before them than they are long, the newest weeks would take training its stays.
    first_ms = newest_ms - round(newest_days * DAY_MS)
    is_old_enough = bool(len(discharge_ms)) and int(discharge_ms.min()) <= first_ms
    is_new = (discharge_ms > newest_ms) & is_old_enough
    is_frozen = (sides == "test") & (discharge_ms <= frozen_until_ms)
    is_training = (sides != "test") & ~is_new
    people = np.array([person_of(owner) for owner in owners], np.str_)
    # A readmission of whom training or the frozen test has seen is no second opinion.
    seen = np.isin(people, people[is_training | is_frozen])
    return Periods(
        np.flatnonzero(is_training),
        np.flatnonzero(is_frozen),
        np.flatnonzero(is_new & ~seen) if is_old_enough else None,
    )


def person_of(stay_id: str) -> str:
    """The patient of a stay: two stays of one patient have ids of their own.

    >>> person_of("3f9a@0042/2"), person_of("p000001")
    ('3f9a', 'p000001')
    """
    kept = archived(stay_id)
    return stay_id if kept is None else kept[0]
