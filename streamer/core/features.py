"""Features of one hour: the network's inputs, built from a fixed memory per stay, hour by hour.

There is one builder, for a batch of stays. The streamer calls it with the stays of a poll, the
trainer with all patients of a cohort, hour by hour, so both see the same numbers.

A builder is made for a table of variables (`Features`). The functions of the module are those for
the 34 variables of every model.

The memory of a stay holds, for each variable, the last value, the hours since it was measured, the
value before it and how often it was measured; and for the vital signs exponentially weighted means
and variances (West 1979, incremental form). All of it follows from hour rows alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import BUILT_IN, INDEX, VARIABLES, VariableTable, shared_columns

Floats = NDArray[np.float32]

FEATURE_VERSION: Final = "hourly-1"
"""Version of the feature builder. A bundle names the one it was trained with; others refuse it."""

LONGEST_HOURS: Final = 336.0  # no stay of the training data is longer; "never measured" starts here

_VITAL_COLUMNS: Final = np.array([i for i, v in enumerate(VARIABLES) if v.is_vital])
_N_VITALS: Final = len(_VITAL_COLUMNS)
_VITALS: Final = slice(int(_VITAL_COLUMNS[0]), int(_VITAL_COLUMNS[-1]) + 1)  # they are neighbours
_FAST: Final = np.float32(1 - 0.5 ** (1 / 3))  # half-life 3 h: a nursing shift's trend
_SLOW: Final = np.float32(1 - 0.5 ** (1 / 12))  # half-life 12 h: the patient's own baseline
_N_RATIOS: Final = 4
_N_CLOCK_AND_STATIC: Final = 7

_HEART_RATE, _SBP, _DBP, _SPO2, _FIO2, _BUN, _CREATININE = (
    INDEX[name] for name in ("heart_rate", "sbp", "dbp", "spo2", "fio2", "bun", "creatinine")
)

STATIC: Final = ("age", "sex", "icu_type", "hours_since_hospital_admission")
"""Columns of the static input: years; 0 female, 1 male; 0 medical, 1 surgical; hours.

NaN is unknown."""


class Features:
    """The builder for one table of variables; make it with ``features_of``.

    Attributes:
        variables: the table; V variables.
        names: of the F features; those of a variable are `what:variable`.
        owner: ``(F,)`` the variable that each belongs to, -1: to none alone.
        memory_size: M numbers of the memory of a stay.
    """

    def __init__(self, variables: VariableTable) -> None:
        self.variables = variables
        n, vitals = len(variables), _N_VITALS
        memory = _neighbours(n, n, n, n, vitals, vitals, vitals)
        self._last, self._since, self._before, self._count = memory[:4]
        self._fast_mean, self._slow_mean, self._variance = memory[4:]
        self.memory_size: int = memory[-1].stop
        columns = _neighbours(n, n, n, n, n, vitals, vitals, vitals, _N_RATIOS, _N_CLOCK_AND_STATIC)
        self._value, self._measured, self._log_since, self._change, self._log_count = columns[:5]
        self._trend, self._deviation, self._spread = columns[5:8]
        self._ratios, self._clock_and_static = columns[8:]
        self._logged = variables.logged
        names, owner = _names(variables)
        self.names = tuple(names)
        self.owner: NDArray[np.int64] = np.array(owner)

    def __len__(self) -> int:
        return len(self.names)

    def empty_memory(self, n_stays: int) -> Floats:
        """Returns the memory before the first hour, ``(n_stays, M)``."""
        memory = np.full((n_stays, self.memory_size), np.nan, np.float32)
        memory[:, self._since] = LONGEST_HOURS
        memory[:, self._count] = 0
        memory[:, self._variance] = 0
        return memory

    def step(
        self, rows: Floats, bins: NDArray[np.int32], static: Floats, memory: Floats
    ) -> tuple[Floats, Floats]:
        """Takes one hour row of each stay into its memory and builds what the network sees.

        Args:
            rows: ``(n, V)`` cleaned values of the hour, NaN where not measured.
            bins: ``(n,)`` hour bins, 0 at ICU admission.
            static: ``(n, 4)`` as ``STATIC``.
            memory: ``(n, M)`` after the hour before; it is not changed.

        Returns:
            ``(n, F)`` features in the order of ``names``, NaN where unknown, and the memory after
            this hour.
        """
        new = self.remember(rows, memory)
        return self.seen(rows, bins, static, new), new

    def step_silence(
        self, hours: int, bins: NDArray[np.int32], static: Floats, memory: Floats
    ) -> tuple[Floats, Floats]:
        """Builds hours in which nothing is measured, bit for bit as ``step`` does one by one.

        Args:
            hours: how many, at least 1.
            bins: ``(n,)`` the first of them.
            static: ``(n, 4)`` as ``STATIC``.
            memory: ``(n, M)`` after the hour before; it is not changed.

        Returns:
            ``(hours * n, F)`` features, those of all stays' first hours first, and the memory after
            the last hour.
        """
        n = len(memory)
        passed = np.arange(hours, dtype=np.int32)[:, None]
        new = np.broadcast_to(memory, (hours, n, self.memory_size)).copy()
        # Whole numbers of hours: a sum of ones and one sum have the same bits.
        since = memory[:, self._since] + (passed[..., None] + 1).astype(np.float32)
        new[..., self._since] = np.minimum(since, LONGEST_HOURS)
        nothing = np.full((hours * n, len(self.variables)), np.nan, np.float32)
        each_static = np.broadcast_to(static, (hours, *static.shape)).reshape(-1, static.shape[1])
        flat = new.reshape(-1, self.memory_size)
        return self.seen(nothing, (bins + passed).reshape(-1), each_static, flat), new[-1]

    def seen(self, rows: Floats, bins: NDArray[np.int32], static: Floats, new: Floats) -> Floats:
        """Builds what the network sees of hours, as ``step`` does; ``new`` is the memory after."""
        raw, slow = new[:, self._last], new[:, self._slow_mean]
        features = np.empty((len(rows), len(self.names)), np.float32)

        last, change = features[:, self._value], features[:, self._change]
        last[:] = raw
        logged = self._logged
        last[:, logged] = np.log1p(raw[:, logged])
        before = new[:, self._before].copy()
        before[:, logged] = np.log1p(before[:, logged])
        np.subtract(last, before, out=change)
        features[:, self._measured] = ~np.isnan(rows)
        features[:, self._log_since] = np.log1p(new[:, self._since])
        features[:, self._log_count] = np.log1p(new[:, self._count])

        np.subtract(new[:, self._fast_mean], slow, out=features[:, self._trend])
        np.subtract(raw[:, _VITALS], slow, out=features[:, self._deviation])
        np.sqrt(new[:, self._variance], out=features[:, self._spread])
        _fill_ratios(features[:, self._ratios], raw)
        _fill_clock_and_static(features[:, self._clock_and_static], bins, static)
        return features

    def remember(self, rows: Floats, memory: Floats) -> Floats:
        """Takes one hour row of each stay into its memory; arguments as those of ``step``."""
        measured = ~np.isnan(rows)
        since = memory[:, self._since]
        new = memory.copy()
        new[:, self._last] = np.where(measured, rows, memory[:, self._last])
        new[:, self._since] = np.where(measured, 0, np.minimum(since + 1, LONGEST_HOURS))
        new[:, self._before] = np.where(measured, memory[:, self._last], memory[:, self._before])
        new[:, self._count] += measured

        known = measured[:, _VITALS]
        value = rows[:, _VITALS]
        fast, slow = memory[:, self._fast_mean], memory[:, self._slow_mean]
        variance = memory[:, self._variance]
        first = np.isnan(slow)
        gap = value - np.where(first, value, slow)
        new[:, self._fast_mean] = np.where(
            known, np.where(first, value, fast + _FAST * (value - fast)), fast
        )
        new[:, self._slow_mean] = np.where(known, np.where(first, value, slow + _SLOW * gap), slow)
        new[:, self._variance] = np.where(
            known, (1 - _SLOW) * (variance + _SLOW * gap * gap), variance
        )
        return new

    def never_measured(self) -> Floats:
        """Returns ``(F,)`` the features of an hour before anything was measured."""
        nothing = np.full((1, len(self.variables)), np.nan, np.float32)
        unknown = np.full((1, len(STATIC)), np.nan, np.float32)
        seen, _ = self.step(nothing, np.zeros(1, np.int32), unknown, self.empty_memory(1))
        return np.ascontiguousarray(seen[0])

    def shared(self, other: Features) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Returns the columns, here and there, of features that mean the same in both."""
        here, there = shared_columns(self.variables, other.variables)
        moved_to = np.full(len(self.variables) + 1, -1, np.intp)
        moved_to[here] = there
        index = {
            (name.partition(":")[0], owner): i
            for i, (name, owner) in enumerate(zip(other.names, other.owner.tolist(), strict=True))
        }
        pairs = [
            (i, index[what, int(moved_to[owner])])
            for i, (name, owner) in enumerate(zip(self.names, self.owner.tolist(), strict=True))
            if (what := name.partition(":")[0], int(moved_to[owner])) in index
        ]
        columns = np.array(pairs, np.intp)
        return columns[:, 0], columns[:, 1]

    def moved_memory(self, memory: Floats, to: Features) -> Floats:
        """Lays out the memory ``(n, M)`` of stays for another table, as if it had been theirs.

        What the other table lacks is left out; what it has beyond this one was never measured.
        """
        moved = to.empty_memory(len(memory))
        source, target = shared_columns(self.variables, to.variables)
        for block, of in (
            (self._last, to._last),
            (self._since, to._since),
            (self._before, to._before),
            (self._count, to._count),
        ):
            moved[:, of.start + target] = memory[:, block.start + source]
        vitals = slice(to._fast_mean.start, None)
        moved[:, vitals] = memory[:, self._fast_mean.start :]
        return moved


@lru_cache(maxsize=64)  # one a model in use
def features_of(variables: VariableTable) -> Features:
    """Returns the builder for a table of variables."""
    return Features(variables)


def _neighbours(*widths: int) -> list[slice]:
    """Blocks of columns side by side."""
    ends = np.cumsum(widths).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _names(variables: VariableTable) -> tuple[list[str], list[int]]:
    """Feature names, and the variable that each belongs to (-1: to none alone)."""
    names: list[str] = []
    owner: list[int] = []
    for prefix in ("value", "measured", "log_hours_since", "change", "log_count"):
        names += [f"{prefix}:{name}" for name in variables.names]
        owner += range(len(variables))
    for prefix in ("trend", "deviation", "spread"):
        names += [f"{prefix}:{VARIABLES[i].name}" for i in _VITAL_COLUMNS]
        owner += _VITAL_COLUMNS.tolist()
    for ratio, variable in (
        ("shock_index", "heart_rate"),
        ("pulse_pressure", "dbp"),
        ("bun_creatinine", "bun"),
        ("spo2_fio2", "fio2"),
    ):
        names.append(ratio)
        owner.append(INDEX[variable])
    for clock in ("log_hour", "hour", "age", "sex", "medical", "surgical", "log_hours_in_hospital"):
        names.append(clock)
        owner.append(-1)
    return names, owner


_OF_BUILT_IN: Final = features_of(BUILT_IN)
NAMES: Final = _OF_BUILT_IN.names
N_FEATURES: Final = len(_OF_BUILT_IN)
MEMORY_SIZE: Final = _OF_BUILT_IN.memory_size
empty_memory = _OF_BUILT_IN.empty_memory
step, step_silence = _OF_BUILT_IN.step, _OF_BUILT_IN.step_silence
remember, seen = _OF_BUILT_IN.remember, _OF_BUILT_IN.seen


def _fill_ratios(out: Floats, last: Floats) -> None:
    np.divide(last[:, _HEART_RATE], last[:, _SBP], out=out[:, 0])
    np.subtract(last[:, _SBP], last[:, _DBP], out=out[:, 1])
    out[:, 2] = np.log1p(last[:, _BUN] / last[:, _CREATININE])
    np.divide(last[:, _SPO2], last[:, _FIO2], out=out[:, 3])


def _fill_clock_and_static(out: Floats, bins: NDArray[np.int32], static: Floats) -> None:
    hour = np.minimum(np.maximum(bins.astype(np.float32) + 1, 0), LONGEST_HOURS)
    out[:, 0] = np.log1p(hour)
    out[:, 1] = hour
    out[:, 2:4] = static[:, :2]
    np.equal(static[:, 2], 0, out=out[:, 4], casting="unsafe")  # not so where it is unknown
    np.equal(static[:, 2], 1, out=out[:, 5], casting="unsafe")
    out[:, 6] = np.log1p(np.maximum(static[:, 3], 0))
