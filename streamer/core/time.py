"""Times: units in milliseconds, RFC 3339 by its own grammar, epoch milliseconds.

`datetime.fromisoformat` is not used: it accepts a digit as the separator, so that an HL7 time is
read hours wrong (python/cpython#107779), and it accepts week dates, commas and offsets in seconds.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.time_hints import HL7_NUMBER, hint_for_number, hint_for_text

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
EARLIEST_MS: Final = 631_152_000_000  # 1990: an earlier number counts something else
LATEST_MS: Final = 253_402_300_799_999  # the last millisecond of the year 9999
PLAUSIBLE_MS: Final = 19_000_000_000_000  # the year 2572; more may be the digits of a date
_HL7_DIGITS: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d[0-2]\d(?:[0-5]\d){1,2}(?:\d{3})?"
)
_DIGITS_END: Final = 10**17
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

# RFC 3339, section 5.6. A blank may stand for the T; T and Z may be small.
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_DAYS_OF: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ZERO: Final = ord("0")
_LOCAL: Final = 23  # characters down to the thousandths


class BadTimeError(ValueError):
    """A text or number that is not a time; the message says why and never repeats it."""


class NoOffsetError(BadTimeError):
    """A time that is RFC 3339 but for its offset."""


def rfc3339(time_ms: int) -> str:
    """Writes epoch milliseconds as the messages do: UTC, a fraction only where there is one.

    >>> rfc3339(1_767_225_600_000), rfc3339(1_767_225_600_250)
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.250Z')
    """
    seconds, fraction = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    minute = f"{_minute(minutes)}:{second:02d}"
    return f"{minute}.{fraction:03d}Z" if fraction else f"{minute}Z"


@lru_cache(maxsize=65_536)  # the events of a batch, and of the next, share their minutes
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M")


def read_ms(text: str) -> int:
    """Reads an RFC 3339 time as epoch milliseconds; what is finer is cut off.

    A leap second counts as the second that follows, as in POSIX.

    >>> read_ms("1970-01-01T01:00:00.250+01:00"), read_ms("1990-12-31T15:59:60-08:00")
    (250, 662688000000)

    Raises:
        BadTimeError: it is none, or not between the years 1970 and 9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        if _RFC3339.fullmatch(f"{text}Z"):
            raise NoOffsetError("time has no offset; end it with Z or +hh:mm")
        raise BadTimeError(f"time is not RFC 3339{hint_for_text(text)}")
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    fraction, sign, offset_hour, offset_minute = match.group(7, 8, 9, 10)
    if not (1 <= month <= 12 and 1 <= day <= _days_of(year, month)):
        raise BadTimeError("time is not RFC 3339: there is no such day")
    days = date(max(year, 1), month, day).toordinal() - _EPOCH_DAY
    minutes = (days * 24 + hour) * 60 + minute
    if sign:
        ahead = int(offset_hour) * 60 + int(offset_minute)
        minutes += ahead if sign == "-" else -ahead
    ms = minutes * MINUTE_MS + second * 1000 + (int(f"{fraction[:3]:0<3}") if fraction else 0)
    if year == 0 or not 0 <= ms <= LATEST_MS:
        raise BadTimeError("time is not between the years 1970 and 9999")
    if second == 60 and not _ends_a_month(minutes + 1):
        raise BadTimeError("time is not RFC 3339: no leap second was added then")
    return ms


def check_ms(number: int) -> int:
    """Returns epoch milliseconds as they are.

    Raises:
        BadTimeError: they are not between the years 1990 and 9999, most likely of another unit; or
            their digits are an HL7 time of today, which would be a moment of the years 2600 on.
    """
    if EARLIEST_MS <= number < PLAUSIBLE_MS:
        return number
    if _HL7_DIGITS.fullmatch(str(number) if number < _DIGITS_END else ""):
        raise BadTimeError(f"time is not epoch milliseconds: {HL7_NUMBER}")
    if not EARLIEST_MS <= number <= LATEST_MS:
        raise BadTimeError(
            f"time is not epoch milliseconds of the years 1990 to 9999{hint_for_number(number)}"
        )
    return number


def _days_of(year: int, month: int) -> int:
    return 29 if month == 2 and calendar.isleap(year) else _DAYS_OF[month - 1]


def _ends_a_month(minutes: int) -> bool:
    """Whether minutes since the epoch are midnight UTC of the first day of a month."""
    days, rest = divmod(minutes, 24 * 60)
    return rest == 0 and date.fromordinal(days + _EPOCH_DAY).day == 1


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
        joined = "".join([texts[i] for i in chosen.tolist()])
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
