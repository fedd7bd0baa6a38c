"""Times of the usual RFC 3339 forms, a whole batch of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import LATEST_MS, MINUTE_MS

_ZERO: Final = ord("0")
_LOCAL: Final = 23  # characters down to the thousandths


@dataclass(frozen=True, slots=True)
class _Form:
    """What each character of a form may be, from ``low`` to ``low + span``; ``(length,)`` each."""

    low: NDArray[np.uint8]
    span: NDArray[np.uint8]
    local: int  # how many characters stand before the offset and are read
    has_offset: bool


def _form(example: str) -> _Form:
    """Makes a form of an example in which 0 stands for any digit and + for either sign."""
    has_offset = not example.endswith("Z")
    low = np.frombuffer(example.encode(), np.uint8)
    span = np.where(low == _ZERO, 9, 0).astype(np.uint8)
    if has_offset:
        span[-6] = ord("-") - ord("+")
    return _Form(low, span, min(_LOCAL, len(example) - (6 if has_offset else 1)), has_offset)


_FORMS: Final = {
    len(example): _form(example)
    for second in ("00", "00.000", "00.000000")
    for zone in ("Z", "+00:00")
    for example in (f"0000-00-00T00:00:{second}{zone}",)
}
"""The forms that are read at once, by their length: no two have the same."""


def read_many_ms(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Reads the times that are of a usual form: with seconds, thousandths or millionths.

    >>> ms, sure = read_many_ms(["1970-01-01T01:00:00.250+01:00", "now"])
    >>> ms.tolist(), sure.tolist()
    ([250, 0], [True, False])

    Returns:
        ``(n,)`` epoch milliseconds, and a mask of those that are sure. The others are of a rarer
        form or no times: ask ``read_ms``.
    """
    ms = np.zeros(len(texts), np.int64)
    sure = np.zeros(len(texts), np.bool_)
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    for length in set(lengths.tolist()) & _FORMS.keys():
        chosen = np.flatnonzero(lengths == length)
        alike = texts if len(chosen) == len(texts) else [texts[i] for i in chosen.tolist()]
        joined = "".join(alike)
        if joined.isascii():
            characters = np.frombuffer(joined.encode(), np.uint8).reshape(-1, length)
            ms[chosen], sure[chosen] = _read_form(characters, _FORMS[length])
    return ms, sure


def _read_form(
    characters: NDArray[np.uint8], form: _Form
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Reads ``(n, length)`` characters of one form; one date that is none leaves all unsure."""
    ms = np.zeros(len(characters), np.int64)
    # Wraps: what is too low is too high.
    sure: NDArray[np.bool_] = np.all(characters - form.low <= form.span, axis=1)
    local = np.ascontiguousarray(characters[sure, : form.local])
    try:
        read = local.view(f"S{form.local}")[:, 0].astype("datetime64[ms]").astype(np.int64)
    except ValueError:
        return ms, np.zeros_like(sure)
    if form.has_offset:
        zone = characters[sure, -6:].astype(np.int64) - _ZERO
        hour, minute = zone[:, 1] * 10 + zone[:, 2], zone[:, 4] * 10 + zone[:, 5]
        sign = zone[:, 0] + _ZERO - ord(",")  # the comma stands between + and -
        read += sign * (hour * 60 + minute) * MINUTE_MS
        read[(hour > 23) | (minute > 59) | (sign == 0)] = -1
    ms[sure] = read
    sure[sure] = (read >= 0) & (read <= LATEST_MS)
    return ms, sure
