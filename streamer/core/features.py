"""Features of one hour: the network's inputs, built from a fixed memory per stay, hour by hour.

There is one builder, for a batch of stays. The streamer calls it with the stays of a poll, the
trainer with all patients of a cohort, hour by hour, so both see the same numbers.

The memory of a stay holds, for each of the 34 variables, the last value, the hours since it was
measured, the value before it and how often it was measured; and for the vital signs exponentially
weighted means and variances (West 1979, incremental form). All of it follows from hour rows alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import INDEX, N_VARIABLES, VARIABLES

Floats = NDArray[np.float32]

FEATURE_VERSION: Final = "hourly-1"
"""Version of the feature builder. A bundle names the one it was trained with; others refuse it."""

LONGEST_HOURS: Final = 336.0  # no stay of the training data is longer; "never measured" starts here

_VITAL_COLUMNS: Final = np.array([i for i, v in enumerate(VARIABLES) if v.is_vital])
_LOGGED: Final = np.array([i for i, v in enumerate(VARIABLES) if v.log_scale])
_N_VITALS: Final = len(_VITAL_COLUMNS)
_VITALS: Final = slice(int(_VITAL_COLUMNS[0]), int(_VITAL_COLUMNS[-1]) + 1)  # they are neighbours
_FAST: Final = np.float32(1 - 0.5 ** (1 / 3))  # half-life 3 h: a nursing shift's trend
_SLOW: Final = np.float32(1 - 0.5 ** (1 / 12))  # half-life 12 h: the patient's own baseline

_LAST = slice(0, N_VARIABLES)
_SINCE = slice(_LAST.stop, _LAST.stop + N_VARIABLES)
_BEFORE = slice(_SINCE.stop, _SINCE.stop + N_VARIABLES)
_COUNT = slice(_BEFORE.stop, _BEFORE.stop + N_VARIABLES)
_FAST_MEAN = slice(_COUNT.stop, _COUNT.stop + _N_VITALS)
_SLOW_MEAN = slice(_FAST_MEAN.stop, _FAST_MEAN.stop + _N_VITALS)
_VARIANCE = slice(_SLOW_MEAN.stop, _SLOW_MEAN.stop + _N_VITALS)
MEMORY_SIZE: Final = _VARIANCE.stop

_VALUE = slice(0, N_VARIABLES)
_MEASURED = slice(_VALUE.stop, _VALUE.stop + N_VARIABLES)
_LOG_SINCE = slice(_MEASURED.stop, _MEASURED.stop + N_VARIABLES)
_CHANGE = slice(_LOG_SINCE.stop, _LOG_SINCE.stop + N_VARIABLES)
_LOG_COUNT = slice(_CHANGE.stop, _CHANGE.stop + N_VARIABLES)
_TREND = slice(_LOG_COUNT.stop, _LOG_COUNT.stop + _N_VITALS)
_DEVIATION = slice(_TREND.stop, _TREND.stop + _N_VITALS)
_SPREAD = slice(_DEVIATION.stop, _DEVIATION.stop + _N_VITALS)
_RATIOS = slice(_SPREAD.stop, _SPREAD.stop + 4)
_CLOCK_AND_STATIC = slice(_RATIOS.stop, _RATIOS.stop + 7)

_HEART_RATE, _SBP, _DBP, _SPO2, _FIO2, _BUN, _CREATININE = (
    INDEX[name] for name in ("heart_rate", "sbp", "dbp", "spo2", "fio2", "bun", "creatinine")
)

STATIC: Final = ("age", "sex", "icu_type", "hours_since_hospital_admission")
"""Columns of the static input: years; 0 female, 1 male; 0 medical, 1 surgical; hours.

NaN is unknown."""


def _names() -> tuple[list[str], list[int]]:
    """Feature names, and the variable that each belongs to (-1: to none alone)."""
    names: list[str] = []
    owner: list[int] = []
    for prefix in ("value", "measured", "log_hours_since", "change", "log_count"):
        names += [f"{prefix}:{variable.name}" for variable in VARIABLES]
        owner += range(N_VARIABLES)
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


_names_and_owners = _names()
NAMES: Final[tuple[str, ...]] = tuple(_names_and_owners[0])
OWNER: Final[NDArray[np.int64]] = np.array(_names_and_owners[1])
N_FEATURES: Final = len(NAMES)


def empty_memory(n_stays: int) -> Floats:
    """Returns the memory before the first hour, ``(n_stays, MEMORY_SIZE)``."""
    memory = np.full((n_stays, MEMORY_SIZE), np.nan, np.float32)
    memory[:, _SINCE] = LONGEST_HOURS
    memory[:, _COUNT] = 0
    memory[:, _VARIANCE] = 0
    return memory


def step(
    rows: Floats, bins: NDArray[np.int32], static: Floats, memory: Floats
) -> tuple[Floats, Floats]:
    """Takes one hour row of each stay into its memory and builds what the network sees.

    Args:
        rows: ``(n, 34)`` cleaned values of the hour, NaN where not measured.
        bins: ``(n,)`` hour bins, 0 at ICU admission.
        static: ``(n, 4)`` as ``STATIC``.
        memory: ``(n, MEMORY_SIZE)`` after the hour before; it is not changed.

    Returns:
        ``(n, N_FEATURES)`` features in the order of ``NAMES``, NaN where unknown, and the memory
        after this hour.
    """
    new = remember(rows, memory)
    return seen(rows, bins, static, new), new


def step_silence(
    hours: int, bins: NDArray[np.int32], static: Floats, memory: Floats
) -> tuple[Floats, Floats]:
    """Builds hours in which nothing is measured, bit for bit as ``step`` does one by one.

    Args:
        hours: how many, at least 1.
        bins: ``(n,)`` the first of them.
        static: ``(n, 4)`` as ``STATIC``.
        memory: ``(n, MEMORY_SIZE)`` after the hour before; it is not changed.

    Returns:
        ``(hours * n, N_FEATURES)`` features, those of all stays' first hours first, and the memory
        after the last hour.
    """
    n = len(memory)
    passed = np.arange(hours, dtype=np.int32)[:, None]
    new = np.broadcast_to(memory, (hours, n, MEMORY_SIZE)).copy()
    # Whole numbers of hours: a sum of ones and one sum have the same bits.
    since = memory[:, _SINCE] + (passed[..., None] + 1).astype(np.float32)
    new[..., _SINCE] = np.minimum(since, LONGEST_HOURS)
    nothing = np.full((hours * n, N_VARIABLES), np.nan, np.float32)
    each_static = np.broadcast_to(static, (hours, *static.shape)).reshape(-1, static.shape[1])
    flat = new.reshape(-1, MEMORY_SIZE)
    return seen(nothing, (bins + passed).reshape(-1), each_static, flat), new[-1]


def seen(rows: Floats, bins: NDArray[np.int32], static: Floats, new: Floats) -> Floats:
    """Builds what the network sees of hours, as ``step`` does; ``new`` is the memory after each."""
    raw, slow = new[:, _LAST], new[:, _SLOW_MEAN]
    features = np.empty((len(rows), N_FEATURES), np.float32)

    last, change = features[:, _VALUE], features[:, _CHANGE]
    last[:] = raw
    last[:, _LOGGED] = np.log1p(raw[:, _LOGGED])
    before = new[:, _BEFORE].copy()
    before[:, _LOGGED] = np.log1p(before[:, _LOGGED])
    np.subtract(last, before, out=change)
    features[:, _MEASURED] = ~np.isnan(rows)
    features[:, _LOG_SINCE] = np.log1p(new[:, _SINCE])
    features[:, _LOG_COUNT] = np.log1p(new[:, _COUNT])

    np.subtract(new[:, _FAST_MEAN], slow, out=features[:, _TREND])
    np.subtract(raw[:, _VITALS], slow, out=features[:, _DEVIATION])
    np.sqrt(new[:, _VARIANCE], out=features[:, _SPREAD])
    _fill_ratios(features[:, _RATIOS], raw)
    _fill_clock_and_static(features[:, _CLOCK_AND_STATIC], bins, static)
    return features


def remember(rows: Floats, memory: Floats) -> Floats:
    """Takes one hour row of each stay into its memory; arguments as those of ``step``."""
    measured = ~np.isnan(rows)
    new = memory.copy()
    new[:, _LAST] = np.where(measured, rows, memory[:, _LAST])
    new[:, _SINCE] = np.where(measured, 0, np.minimum(memory[:, _SINCE] + 1, LONGEST_HOURS))
    new[:, _BEFORE] = np.where(measured, memory[:, _LAST], memory[:, _BEFORE])
    new[:, _COUNT] += measured

    known = measured[:, _VITALS]
    value = rows[:, _VITALS]
    fast, slow, variance = memory[:, _FAST_MEAN], memory[:, _SLOW_MEAN], memory[:, _VARIANCE]
    first = np.isnan(slow)
    gap = value - np.where(first, value, slow)
    new[:, _FAST_MEAN] = np.where(
        known, np.where(first, value, fast + _FAST * (value - fast)), fast
    )
    new[:, _SLOW_MEAN] = np.where(known, np.where(first, value, slow + _SLOW * gap), slow)
    new[:, _VARIANCE] = np.where(known, (1 - _SLOW) * (variance + _SLOW * gap * gap), variance)
    return new


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
