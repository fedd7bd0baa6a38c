"""A number as it came, perhaps a bound: "<0.01" is no number, and says a good deal."""

from __future__ import annotations

import math
import re
from typing import Final

from streamer.core.reasons import ValueProblem

_BOUND: Final = re.compile(
    r"\s*([<>]=?|=[<>]|[≤≥⩽⩾])\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII
)
_LONGEST: Final = 40  # characters; no laboratory writes a longer bound
_BEYOND: Final = (">", "<")  # the limit itself is not meant


def read_number(value: object) -> tuple[float | None, ValueProblem | None]:
    """Reads a value as a number; one that is censored is taken at its limit.

    >>> read_number(7.4), read_number("<0.01"), read_number("7,4")
    ((7.4, None), (0.01, <ValueProblem.CENSORED: 'censored'>), \
(None, <ValueProblem.NOT_A_NUMBER: 'not_a_number'>))

    Returns:
        The number, not always finite, ``None`` where there is none; and what was wrong.
    """
    if value is None or isinstance(value, float):
        return value, None
    if isinstance(value, bool):
        return None, ValueProblem.NOT_A_NUMBER
    if isinstance(value, int):
        return _as_float(value), None
    bound = _bound(value)
    if bound is None:
        return None, ValueProblem.NOT_A_NUMBER
    return bound[1], ValueProblem.CENSORED


def read_years(value: object) -> tuple[float | None, ValueProblem | None]:
    """Reads an age; of whole years, "over 89" is 90.

    >>> read_years("> 89")[0], read_years(">=90")[0], read_years("90+")[0], read_years(61)[0]
    (90.0, 90.0, 90.0, 61.0)
    """
    if isinstance(value, str):
        if value.strip().endswith("+"):
            return read_number(f">={value.strip()[:-1]}")
        bound = _bound(value)
        if bound is not None and bound[0] in _BEYOND:
            years = bound[1]
            return (
                math.floor(years) + 1.0 if bound[0] == ">" else math.ceil(years) - 1.0
            ), ValueProblem.CENSORED
    return read_number(value)


def _bound(value: object) -> tuple[str, float] | None:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    match = _BOUND.fullmatch(value)
    return None if match is None else (match[1], float(match[2]))


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf if number > 0 else -math.inf
