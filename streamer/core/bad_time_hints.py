"""Hints for a time that is rejected: the format that it seems to have, and the one to send."""

from __future__ import annotations

import re
from typing import Final

_EXAMPLE: Final = "send it as 2026-11-21T10:00:00Z"
HL7_NUMBER: Final = f"looks like an HL7 time; {_EXAMPLE}, as text"
_OFFSET: Final = "end it with Z or +hh:mm"
_DATE: Final = r"\d{4}-\d\d-\d\d"
_CLOCK: Final = r"\d\d:\d\d:\d\d(?:\.\d+)?"
_ZONE: Final = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)?"
# An HL7 version 2 time: YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+/-ZZZZ].
_HL7: Final = (
    r"(?:1[89]|2\d)\d\d"
    r"(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-4])?(?:[0-5]\d){0,2})?)?"
    r"(?:\.\d+)?(?:[+-]\d{4}|Z)?"
)

# The first that fits says what it is; the order matters where two fit.
_LOOKS: Final = tuple(
    (re.compile(pattern, re.ASCII | re.IGNORECASE), hint)
    for pattern, hint in (
        (r"", f"it is empty; {_EXAMPLE}"),
        (r"\s.*|.*\s", "it has blanks at its ends"),
        (_HL7, f"looks like an HL7 time; {_EXAMPLE}"),
        (r"[+-]?\d{9,11}(?:\.\d*)?", "looks like epoch seconds; send milliseconds, as a number"),
        (r"[+-]?\d{12,13}", "looks like epoch milliseconds; send them as a number, not as text"),
        (r"[+-]?\d{14,}(?:\.\d*)?", "looks like micro- or nanoseconds; send milliseconds"),
        (rf"\d{{4}}-?W\d\d.*{_ZONE}", f"looks like an ISO week date; {_EXAMPLE}"),
        (r"\d{4}-\d{3}(?:\D.*)?|\d{7}T.*", f"looks like an ISO ordinal date; {_EXAMPLE}"),
        (r"\d{8}[T ].*|.*T\d{4,6}(?!\d).*", f"looks like a compact ISO time; {_EXAMPLE}"),
        (rf"{_DATE}|\d{{4}}-\d\d", f"it is a date without a time of day; {_EXAMPLE}"),
        (rf"{_DATE}[T ]{_CLOCK}[+-]\d\d(?:\d\d)?", "its offset is not written as +hh:mm"),
        (rf"{_DATE}[T ]{_CLOCK}[+-]\d\d:\d\d:\d\d(?:\.\d+)?", "its offset is not +hh:mm"),
        (rf"{_DATE}[T ]{_CLOCK}[+-]\d\d:\d\d", "there is no such hour, minute, second or offset"),
        (rf"{_DATE}[T ]{_CLOCK}Z", "there is no such hour, minute or second"),
        (rf"{_DATE}[T ]{_CLOCK} +{_ZONE}", f"a blank stands before its offset; {_OFFSET}"),
        (rf"{_DATE}[T ]{_CLOCK}.*\[.*", "it names a time zone; send the offset alone"),
        (rf"{_DATE}[T ]{_CLOCK} ?[A-Z]+", f"it names a time zone; {_OFFSET}"),
        (rf"{_DATE}[T ]\d\d(?::\d\d)?{_ZONE}", f"it has no seconds; {_EXAMPLE}"),
        (rf"{_DATE}[T ]\d\d:\d\d:\d\d,.*", "a comma stands before its fraction; write a point"),
        (rf"{_DATE}\D+{_CLOCK}.*", "no T stands between date and time of day"),
        (r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}.*", f"its date is not written as yyyy-mm-dd; {_EXAMPLE}"),
        (r"[A-Z]{3,}\W.*\d.*", f"looks like a time of an e-mail or a log; {_EXAMPLE}"),
    )
)


def hint_for_text(text: str) -> str:
    """Returns what a text that is no RFC 3339 looks like, to stand behind the reason.

    >>> hint_for_text("20261121100000+0000")
    ': looks like an HL7 time; send it as 2026-11-21T10:00:00Z'
    """
    shown = text[:64]  # what it looks like is seen at its beginning
    for looks, hint in _LOOKS:
        if looks.fullmatch(shown):
            return f": {hint}"
    return f"; {_EXAMPLE}"


def hint_for_number(number: float) -> str:
    """Returns what a number that is no epoch milliseconds looks like.

    >>> hint_for_number(1_795_255_200)
    ': looks like seconds; multiply by 1,000'
    """
    for unit, least, way in (
        ("nanoseconds", 6e17, "divide by 1,000,000"),
        ("microseconds", 6e14, "divide by 1,000"),
    ):
        if least <= number < least * 1000:
            return f": looks like {unit}; {way}"
    if 6e8 <= number < 6e11:
        return ": looks like seconds; multiply by 1,000"
    if 1e7 <= number < 6e8:
        return ": looks like a date or seconds of before 1990"
    return ""
