"""Risk messages as JSON, those of a wave at once.

Where every event is scored these are most of what is written, so they are made by column: each
field of the messages is a list, and the loops over rows run inside `map` and `msgspec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import repeat
from typing import Final, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from numpy.typing import NDArray

from streamer.core.assessment import EXPECTED, SHOWN, Assessments
from streamer.core.forecast import DIGITS, FORECAST_VITALS, HOURS
from streamer.core.model import Model
from streamer.core.time import MINUTE_MS, rfc3339
from streamer.core.variables import VARIABLES

ForecastContent: TypeAlias = dict[str, list[int] | dict[str, list[float]] | None]
"""The hours ahead, and for each vital sign median, low and high; ``None``: never measured."""

_SHOWN_DIGITS: Final = 3  # of a float32; more than any monitor or laboratory reports
_EXPECTED_NAMES: Final = [VARIABLES[v].name for v in EXPECTED]
_BIT: Final = 1 << np.arange(len(EXPECTED))
_ENCODE: Final = msgspec.json.Encoder().encode

_Last = msgspec.defstruct(
    "_Last",
    [(VARIABLES[v].name, tuple[float, int] | UnsetType, UNSET) for v in SHOWN],
    gc=False,
)
"""Newest value and age in minutes of each shown variable that was ever measured."""


class _Data(Struct, gc=False):
    hours_of_data: int
    oldest_vital_minutes: int | None
    values_missing: tuple[str, ...]


class _Risk(Struct, gc=False):
    """A risk message; the order of the fields is that of its JSON."""

    patient_id: str
    time: str
    bin: int
    risk: float
    horizons: Struct
    threshold: float
    positive: bool
    qsofa: int | None
    data: _Data
    news2: int | None
    last: Struct
    model: str
    partition: int
    offset: int
    forecast: ForecastContent | UnsetType = UNSET


def write_risks(
    wave: Assessments, positions: tuple[Sequence[int], Sequence[int]], model: Model
) -> tuple[list[bytes], list[str]]:
    """Writes a risk message for each assessment of a wave.

    Args:
        wave: ``n`` assessments.
        positions: ``n`` partitions and ``n`` offsets of the records behind them.
        model: the one that spoke.

    Returns:
        ``n`` messages, and ``n`` times as they have them.
    """
    # In a replay many stays share a time.
    written = {time_ms: rfc3339(time_ms) for time_ms in np.unique(wave.time_ms).tolist()}
    times = [written[time_ms] for time_ms in wave.time_ms.tolist()]
    risks = [wave.risks[:, i].tolist() for i in range(len(model.horizons))]
    data = map(
        _Data,
        wave.hours_of_data.tolist(),
        _or_none(wave.oldest_vital_ms // MINUTE_MS),
        map(_names, (wave.missing @ _BIT).tolist()),
    )
    messages = map(
        _Risk,
        wave.patients,
        times,
        wave.bins.tolist(),
        risks[0],
        map(_horizons(model.horizons), *risks),
        repeat(model.threshold),
        (wave.risks[:, 0] > model.threshold).tolist(),
        _or_none(wave.qsofa),
        data,
        _or_none(wave.news2),
        map(_Last, *_shown(wave)),
        repeat(model.shown_id),
        *positions,
        repeat(UNSET) if wave.forecast is None else _forecasts(wave.forecast),
    )
    return list(map(_ENCODE, messages)), times


@cache
def _horizons(names: tuple[str, ...]) -> type[Struct]:
    return msgspec.defstruct(
        "_Horizons",
        [(f"within_{name}", float) for name in names],
        rename={f"within_{name}": name for name in names},
        gc=False,
    )


@cache
def _names(code: int) -> tuple[str, ...]:
    """The names of the expected variables whose bit is set."""
    return tuple(name for bit, name in enumerate(_EXPECTED_NAMES) if code >> bit & 1)


def _or_none(numbers: NDArray[np.int64]) -> list[int | None]:
    """Numbers, ``None`` for those below 0."""
    return [number if number >= 0 else None for number in numbers.tolist()]


def _shown(wave: Assessments) -> Iterable[Sequence[tuple[float, int] | UnsetType]]:
    """For each shown variable the values and ages of all rows."""
    values = wave.shown.astype(np.float64).round(_SHOWN_DIGITS).T.tolist()
    ages = (wave.shown_age_ms // MINUTE_MS).T.tolist()
    known_to_all = np.all(wave.shown_age_ms >= 0, axis=0)
    for of_variable, minutes, known in zip(values, ages, known_to_all.tolist(), strict=True):
        pairs = list(zip(of_variable, minutes, strict=True))
        yield pairs if known else [pair if pair[1] >= 0 else UNSET for pair in pairs]


def _forecasts(quantiles: NDArray[np.float32]) -> list[ForecastContent]:
    """The forecasts ``(n, 5, 6, 3)`` as messages have them; ``None``: never measured."""
    forecasts: list[ForecastContent] = [{"hours": list(HOURS)} for _ in quantiles]
    for index, (name, digits) in enumerate(zip(FORECAST_VITALS, DIGITS, strict=True)):
        vital = quantiles[:, index].astype(np.float64).round(digits)
        known = ~np.isnan(vital[:, 0, 1])
        for forecast, is_known, (low, median, high) in zip(
            forecasts, known.tolist(), vital.transpose(0, 2, 1).tolist(), strict=True
        ):
            forecast[name] = {"median": median, "low": low, "high": high} if is_known else None
    return forecasts
