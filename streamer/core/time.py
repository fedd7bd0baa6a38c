"""Times: units in milliseconds, RFC 3339 by its own grammar, epoch milliseconds.

`datetime.fromisoformat` is not used: it accepts a digit as the separator, so that an HL7 time is
read hours wrong (python/cpython#107779), and it accepts week dates, commas and offsets in seconds.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

from streamer.core.bad_time_hints import HL7_NUMBER, hint_for_number, hint_for_text

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


def rfc3339(time_ms: int) -> str:
    """Writes epoch milliseconds as the messages do: UTC, a fraction only where there is one.

    >>> rfc3339(1_767_225_600_000), rfc3339(1_767_225_600_250)
    ('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.250Z')
    """
    seconds, fraction = divmod(time_ms, 1000)
    minutes, second = divmod(seconds, 60)
    minute = f"{_minute(minutes)}:{second:02d}"
    return f"{minute}.{fraction:03d}Z" if fraction else f"{minute}Z"


def rfc3339_or_none(time_ms: int | None) -> str | None:
    """Writes epoch milliseconds where there are any.

    >>> rfc3339_or_none(0), rfc3339_or_none(None)
    ('1970-01-01T00:00:00Z', None)
    """
    return None if time_ms is None else rfc3339(time_ms)


@lru_cache(maxsize=65_536)  # the events of a batch, and of the next, share their minutes
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M")


class BadTimeError(ValueError):
    """A text or number that is not a time; the message says why and never repeats it."""


class NoOffsetError(BadTimeError):
    """A time that is RFC 3339 but for its offset."""


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
