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
    measured = ~np.isnan(rows)
    new = _remember(rows, measured, memory)
    return _build(new, measured, bins, static), new


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
        ``(hours, n, N_FEATURES)`` features, and the memory after the last hour.
    """
    n = len(memory)
    passed = np.arange(hours, dtype=np.int32)[:, None]
    new = np.broadcast_to(memory, (hours, n, MEMORY_SIZE)).copy()
    # Whole numbers of hours: a sum of ones and one sum have the same bits.
    since = memory[:, _SINCE] + (passed[..., None] + 1).astype(np.float32)
    new[..., _SINCE] = np.minimum(since, LONGEST_HOURS)
    nothing = np.zeros((hours * n, N_VARIABLES), np.bool_)
    each_static = np.broadcast_to(static, (hours, *static.shape)).reshape(-1, static.shape[1])
    flat = new.reshape(-1, MEMORY_SIZE)
    built = _build(flat, nothing, (bins + passed).reshape(-1), each_static)
    return built.reshape(hours, n, N_FEATURES), new[-1]


def _build(
    new: Floats, measured: NDArray[np.bool_], bins: NDArray[np.int32], static: Floats
) -> Floats:
    """Features of hours from the memory after each, and what was measured in it."""
    last = new[:, _LAST].copy()
    before = new[:, _BEFORE].copy()
    last[:, _LOGGED] = np.log1p(last[:, _LOGGED])
    before[:, _LOGGED] = np.log1p(before[:, _LOGGED])

    features = np.empty((len(new), N_FEATURES), np.float32)
    column = 0
    for block in (
        last,
        measured,
        np.log1p(new[:, _SINCE]),
        last - before,
        np.log1p(new[:, _COUNT]),
        new[:, _FAST_MEAN] - new[:, _SLOW_MEAN],
        new[:, _LAST][:, _VITAL_COLUMNS] - new[:, _SLOW_MEAN],
        np.sqrt(new[:, _VARIANCE]),
        _ratios(new[:, _LAST]),
        _clock_and_static(bins, static),
    ):
        features[:, column : column + block.shape[1]] = block
        column += block.shape[1]
    return features


def _remember(rows: Floats, measured: NDArray[np.bool_], memory: Floats) -> Floats:
    new = memory.copy()
    new[:, _LAST] = np.where(measured, rows, memory[:, _LAST])
    new[:, _SINCE] = np.where(measured, 0, np.minimum(memory[:, _SINCE] + 1, LONGEST_HOURS))
    new[:, _BEFORE] = np.where(measured, memory[:, _LAST], memory[:, _BEFORE])
    new[:, _COUNT] += measured

    seen = measured[:, _VITAL_COLUMNS]
    value = rows[:, _VITAL_COLUMNS]
    fast, slow, variance = memory[:, _FAST_MEAN], memory[:, _SLOW_MEAN], memory[:, _VARIANCE]
    first = np.isnan(slow)
    gap = value - np.where(first, value, slow)
    new[:, _FAST_MEAN] = np.where(seen, np.where(first, value, fast + _FAST * (value - fast)), fast)
    new[:, _SLOW_MEAN] = np.where(seen, np.where(first, value, slow + _SLOW * gap), slow)
    new[:, _VARIANCE] = np.where(seen, (1 - _SLOW) * (variance + _SLOW * gap * gap), variance)
    return new


def _ratios(last: Floats) -> Floats:
    return np.stack(
        [
            last[:, INDEX["heart_rate"]] / last[:, INDEX["sbp"]],
            last[:, INDEX["sbp"]] - last[:, INDEX["dbp"]],
            np.log1p(last[:, INDEX["bun"]] / last[:, INDEX["creatinine"]]),
            last[:, INDEX["spo2"]] / last[:, INDEX["fio2"]],
        ],
        axis=1,
    )


def _clock_and_static(bins: NDArray[np.int32], static: Floats) -> Floats:
    hour = np.clip(bins.astype(np.float32) + 1, 0, LONGEST_HOURS)
    known = ~np.isnan(static[:, 2])
    return np.stack(
        [
            np.log1p(hour),
            hour,
            static[:, 0],
            static[:, 1],
            known & (static[:, 2] == 0),
            known & (static[:, 2] == 1),
            np.log1p(np.maximum(static[:, 3], 0)),
        ],
        axis=1,
        dtype=np.float32,
    )
