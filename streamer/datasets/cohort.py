"""`Cohort`: hourly stays as arrays, the result of every reader of PhysioNet 2019 files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import BUILT_IN, VariableTable, shared_columns

if TYPE_CHECKING:
    from streamer.datasets.task import Task

NO_LABEL: Final = -1
"""Stands in ``Cohort.label`` where the file has no label column."""

_PUBLIC_LENGTH: Final = len("p000001")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total) during a long read."""


class DataError(ValueError):
    """A file that cannot be read; the message names the file, the row and the way out."""


def site(patient_id: str) -> str | None:
    """The hospital of a public PhysioNet 2019 patient, ``None`` for ids of another form.

    >>> site("p000001"), site("p100001"), site("mrn-17"), site("p0-17")
    ('A', 'B', None, None)
    """
    if len(patient_id) != _PUBLIC_LENGTH or not patient_id[1:].isdecimal():
        return None
    return {"p0": "A", "p1": "B"}.get(patient_id[:2])


@dataclass(frozen=True, slots=True)
class Cohort:
    """All rows (hours) of many ICU stays, one after the other; N stays, R rows.

    Attributes:
        patient_ids: N ids, each once.
        starts: (N + 1,) row offsets; stay ``i`` has the rows ``starts[i]:starts[i + 1]``.
        values: (R, V) float32 in the order of ``variables``, as charted (nothing cleaned), NaN
            where missing.
        iculos: (R,) the ICU hour of the row, counted from 1; steps by 1 within a stay.
        label: (R,) the challenge's SepsisLabel, 1 from six hours before onset on; ``NO_LABEL``
            where the file has none.
        age: (N,) years, NaN where unknown.
        sex: (N,) ``female``, ``male`` or ``unknown``.
        icu_type: (N,) ``medical``, ``surgical`` or ``unknown``.
        hours_since_hospital_admission: (N,) at ICU admission, never below 0, NaN where unknown.
        sites: (N,) the hospital, empty where unknown; ``None``: nobody said.
        persons: (N,) the person, who may have several stays; empty: the patient id stands for
            one; ``None``: nobody said.
        dates: (N,) the day of admission, `2022-03-31`, empty where unknown; ``None``: nobody said.
        task: that these stays were read by; ``None``: sepsis, as of PhysioNet 2019.
    """

    patient_ids: list[str]
    starts: NDArray[np.int64]
    values: NDArray[np.float32]
    iculos: NDArray[np.int32]
    label: NDArray[np.int8]
    age: NDArray[np.float32]
    sex: NDArray[np.str_]
    icu_type: NDArray[np.str_]
    hours_since_hospital_admission: NDArray[np.float32]
    sites: NDArray[np.str_] | None = None
    persons: NDArray[np.str_] | None = None
    dates: NDArray[np.str_] | None = None
    task: Task | None = None

    def __len__(self) -> int:
        return len(self.patient_ids)

    @property
    def variables(self) -> VariableTable:
        """The columns of ``values``: the 34, and behind them those of the task's own."""
        return BUILT_IN if self.task is None else self.task.table

    def values_of(self, variables: VariableTable) -> NDArray[np.float32]:
        """(R, V) the values of these variables; one that the stays do not have was never measured.

        Args:
            variables: those of a model, which may be of another task.
        """
        if variables.key == self.variables.key:
            return self.values
        here, there = shared_columns(self.variables, variables)
        values = np.full((self.n_rows, len(variables)), np.nan, np.float32)
        values[:, there] = self.values[:, here]
        return values

    @property
    def n_rows(self) -> int:
        """R, the hours of all stays together."""
        return int(self.starts[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(N,) rows of each stay."""
        return np.diff(self.starts)

    @property
    def patient_of_row(self) -> NDArray[np.int64]:
        """(R,) index of the stay that a row belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def septic(self) -> NDArray[np.bool_]:
        """(N,) whether a stay has any positive row."""
        return np.asarray(np.maximum.reduceat(self.label, self.starts[:-1]) == 1)

    @property
    def owners(self) -> list[str]:
        """N names, equal for stays of one person: the person where known, else the patient id."""
        if self.persons is None:
            return self.patient_ids
        pairs = zip(self.persons.tolist(), self.patient_ids, strict=True)
        return [person or patient for person, patient in pairs]

    def rows(self, stay: int) -> slice:
        """The rows of one stay."""
        return slice(int(self.starts[stay]), int(self.starts[stay + 1]))

    def rows_of(self, stays: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) all rows of these stays, one stay after the other, in the order of ``stays``."""
        lengths = self.lengths[stays]
        ends = np.cumsum(lengths)
        n_rows = int(ends[-1]) if len(ends) else 0
        return np.repeat(self.starts[stays] - (ends - lengths), lengths) + np.arange(n_rows)

    def take(self, stays: Sequence[int] | NDArray[np.integer]) -> Cohort:
        """The cohort of these stays alone, in the order of ``stays``."""
        chosen = np.asarray(stays, dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(self.lengths[chosen])])
        rows = self.rows_of(chosen)
        return Cohort(
            [self.patient_ids[i] for i in chosen],
            starts,
            self.values[rows],
            self.iculos[rows],
            self.label[rows],
            self.age[chosen],
            self.sex[chosen],
            self.icu_type[chosen],
            self.hours_since_hospital_admission[chosen],
            _chosen(self.sites, chosen),
            _chosen(self.persons, chosen),
            _chosen(self.dates, chosen),
            self.task,
        )


def concatenate(cohorts: Sequence[Cohort]) -> Cohort:
    """Joins cohorts; the caller makes sure that no patient is in two of them."""
    if len(cohorts) == 1:
        return cohorts[0]
    offsets = np.cumsum([0, *(cohort.n_rows for cohort in cohorts)])
    starts = [c.starts[:-1] + offset for c, offset in zip(cohorts, offsets[:-1], strict=True)]
    return Cohort(
        [patient for cohort in cohorts for patient in cohort.patient_ids],
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([c.values for c in cohorts]),
        np.concatenate([c.iculos for c in cohorts]),
        np.concatenate([c.label for c in cohorts]),
        np.concatenate([c.age for c in cohorts]),
        np.concatenate([c.sex for c in cohorts]),
        np.concatenate([c.icu_type for c in cohorts]),
        np.concatenate([c.hours_since_hospital_admission for c in cohorts]),
        _joined([c.sites for c in cohorts], cohorts),
        _joined([c.persons for c in cohorts], cohorts),
        _joined([c.dates for c in cohorts], cohorts),
        cohorts[0].task,
    )


def _chosen(names: NDArray[np.str_] | None, stays: NDArray[np.int64]) -> NDArray[np.str_] | None:
    return None if names is None else names[stays]


def _joined(
    names: Sequence[NDArray[np.str_] | None], cohorts: Sequence[Cohort]
) -> NDArray[np.str_] | None:
    if all(part is None for part in names):
        return None
    return np.concatenate(
        [
            np.full(len(cohort), "", np.str_) if part is None else part
            for part, cohort in zip(names, cohorts, strict=True)
        ]
    )
