"""The particulars of an admission as numbers: one rule for the stream and for the trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.numbers import read_number, read_years
from streamer.core.reasons import ValueProblem

Floats = NDArray[np.float32]

SEX_CODES: Final = {"female": 0.0, "male": 1.0}
ICU_TYPE_CODES: Final = {"medical": 0.0, "surgical": 1.0, "other": 2.0}
SEXES: Final = (*SEX_CODES, "other", "unknown")
ICU_TYPES: Final = (*ICU_TYPE_CODES, "unknown")
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


def static_of(fields: Mapping[str, Any], problems: Counter[ValueProblem]) -> Floats:
    """Returns the static input ``(4,)`` of an admission as it came; counts what is wrong with it.

    >>> lost = Counter()
    >>> static_of({"age": "> 89", "sex": "M", "icu_type": "medical"}, lost).tolist()
    [90.0, nan, 0.0, nan]
    >>> sorted(lost)
    [<ValueProblem.CENSORED: 'censored'>, <ValueProblem.UNKNOWN_CODE: 'unknown_code'>]
    """
    numbers = (
        read_years(fields.get("age")),
        read_number(fields.get("hours_since_hospital_admission")),
    )
    age, hours = (np.array([np.nan if number is None else number]) for number, _ in numbers)
    sex = _word(fields.get("sex"), SEXES, problems)
    icu_type = _word(fields.get("icu_type"), ICU_TYPES, problems)
    static: Floats = static_rows(age, [sex], [icu_type], hours)[0]
    for (number, problem), kept in zip(numbers, static[[0, 3]], strict=True):
        if problem is not None:
            problems[problem] += 1
        elif number is not None and not np.isfinite(number):
            problems[ValueProblem.NOT_FINITE] += 1
        if number is not None and np.isfinite(number) and np.isnan(kept):
            problems[ValueProblem.OUT_OF_LIMITS] += 1
    return static


def location_of(
    fields: Mapping[str, Any], problems: Counter[ValueProblem]
) -> tuple[str | None, str | None]:
    """Returns ward and bed of an admission as it came; ``None`` where one is absent or no text."""
    return _text(fields.get("ward"), problems), _text(fields.get("bed"), problems)


def label_of(fields: Mapping[str, Any], problems: Counter[ValueProblem]) -> str | None:
    """Returns the label of an admission as it came; ``None`` where it is absent or no text."""
    return _text(fields.get("label"), problems, MAX_LABEL)


def _text(value: object, problems: Counter[ValueProblem], most: int = MAX_LOCATION) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        problems[ValueProblem.NOT_TEXT] += 1
        return None
    if len(value) > most:
        problems[ValueProblem.TOO_LONG] += 1
        return None
    return value


def _word(value: object, words: Sequence[str], problems: Counter[ValueProblem]) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, str) and value in words:
        return value
    problems[ValueProblem.UNKNOWN_CODE] += 1
    return "unknown"
