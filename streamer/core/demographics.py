"""The particulars of an admission as numbers: one rule for the stream and for the trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.numbers import read_number, read_years
from streamer.core.reasons import Loss, ValueProblem

Floats = NDArray[np.float32]

SEX_CODES: Final = {"female": 0.0, "male": 1.0}
ICU_TYPE_CODES: Final = {"medical": 0.0, "surgical": 1.0, "other": 2.0}
SEXES: Final = (*SEX_CODES, "other", "unknown")
ICU_TYPES: Final = (*ICU_TYPE_CODES, "unknown")
HOURS: Final = "hours_since_hospital_admission"
PARTICULARS: Final = ("age", "sex", "icu_type", HOURS, "ward", "bed", "label")
"""Fields of an admission that may be lost without it."""
MAX_AGE_YEARS: Final = 120
MAX_HOSPITAL_HOURS: Final = 24 * 3660  # ten years: anything more is a charting error
MAX_LABEL: Final = 40  # characters
MAX_LOCATION: Final = 128  # characters of a ward or a bed


def static_rows(
    ages: NDArray[Any], sexes: Sequence[str], icu_types: Sequence[str], hours: NDArray[Any]
) -> Floats:
    """Returns the static input of stays, in the order of ``features.STATIC``.

    Args:
        ages: ``(n,)`` years, NaN where unknown.
        sexes: ``n`` of ``SEXES``; what is none of ``SEX_CODES`` is missing.
        icu_types: ``n`` of ``ICU_TYPES``.
        hours: ``(n,)`` hours since hospital admission, NaN where unknown.

    Returns:
        ``(n, 4)``, NaN where a particular is unknown, infinite or outside its limits.
    """
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and outside the limits
        age, hour = (np.array(numbers, np.float64).astype(np.float32) for numbers in (ages, hours))
    age[~((age >= 0) & (age <= MAX_AGE_YEARS))] = np.nan
    hour[~(np.abs(hour) <= MAX_HOSPITAL_HOURS)] = np.nan
    return np.column_stack(
        [
            age,
            np.array([SEX_CODES.get(sex, np.nan) for sex in sexes], np.float32),
            np.array([ICU_TYPE_CODES.get(kind, np.nan) for kind in icu_types], np.float32),
            hour,
        ]
    )


def static_of(fields: Mapping[str, Any], losses: Counter[Loss]) -> Floats:
    """Returns the static input ``(4,)`` of an admission as it came; counts what is wrong with it.

    >>> lost = Counter()
    >>> static_of({"age": "> 89", "sex": "M", "icu_type": "medical"}, lost).tolist()
    [90.0, nan, 0.0, nan]
    >>> sorted((loss.variable, loss.problem.value) for loss in lost)
    [('age', 'censored'), ('sex', 'unknown_code')]
    """
    numbers = {"age": read_years(fields.get("age")), HOURS: read_number(fields.get(HOURS))}
    age, hours = (
        np.array([np.nan if number is None else number]) for number, _ in numbers.values()
    )
    sex = _word(fields, "sex", SEXES, losses)
    icu_type = _word(fields, "icu_type", ICU_TYPES, losses)
    static: Floats = static_rows(age, [sex], [icu_type], hours)[0]
    for (name, (number, problem)), kept in zip(numbers.items(), static[[0, 3]], strict=True):
        if problem is not None:
            losses[Loss(problem, name, None)] += 1
        elif number is not None and not np.isfinite(number):
            losses[Loss(ValueProblem.NOT_FINITE, name, None)] += 1
        if number is not None and np.isfinite(number) and np.isnan(kept):
            losses[Loss(ValueProblem.OUT_OF_LIMITS, name, None)] += 1
    return static


def location_of(fields: Mapping[str, Any], losses: Counter[Loss]) -> tuple[str | None, str | None]:
    """Returns ward and bed of an admission as it came; ``None`` where one is absent or no text."""
    return _text(fields, "ward", losses), _text(fields, "bed", losses)


def label_of(fields: Mapping[str, Any], losses: Counter[Loss]) -> str | None:
    """Returns the label of an admission as it came; ``None`` where it is absent or no text."""
    return _text(fields, "label", losses, MAX_LABEL)


def _text(
    fields: Mapping[str, Any], name: str, losses: Counter[Loss], most: int = MAX_LOCATION
) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        losses[Loss(ValueProblem.NOT_TEXT, name, None)] += 1
        return None
    if len(value) > most:
        losses[Loss(ValueProblem.TOO_LONG, name, None)] += 1
        return None
    return value


def _word(fields: Mapping[str, Any], name: str, words: Sequence[str], losses: Counter[Loss]) -> str:
    value = fields.get(name)
    if value is None:
        return "unknown"
    if isinstance(value, str) and value in words:
        return value
    losses[Loss(ValueProblem.UNKNOWN_CODE, name, None)] += 1
    return "unknown"
