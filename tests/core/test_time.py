from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.time import BadTimeError, check_ms, read_ms, rfc3339
from streamer.core.time_batches import read_many_ms

MIDNIGHT: Final = datetime(2026, 11, 21, tzinfo=UTC)
MIDNIGHT_MS: Final = 1_795_219_200_000
DAY: Final = [MIDNIGHT + timedelta(seconds=second) for second in range(86_400)]

# Seconds of a day that are tried one by one: seven has no factor in common with 60 nor with 24, so
# every hour comes with every minute, and every minute with every second.
STEP: Final = 7


def refusal(read: Callable[[Any], int], time: object) -> str:
    """What is said of a time that is refused; nothing of one that is not."""
    try:
        read(time)
    except BadTimeError as error:
        return str(error)
    return ""


RFC_3339: dict[str, Callable[[datetime], str]] = {
    "Z": lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}",
    "thousandths": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.000Z",
    "millionths": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}.000999Z",
    "east": lambda t: f"{t + timedelta(minutes=330):%Y-%m-%dT%H:%M:%S}+05:30",
    "west": lambda t: f"{t - timedelta(hours=8):%Y-%m-%dT%H:%M:%S}.000-08:00",
    "small letters": lambda t: f"{t:%Y-%m-%dt%H:%M:%Sz}",
}


@pytest.mark.parametrize("form", RFC_3339.values(), ids=RFC_3339)
def test_every_second_of_a_day_is_read(form: Callable[[datetime], str]) -> None:
    texts = [form(moment) for moment in DAY]
    expected = MIDNIGHT_MS + 1000 * np.arange(86_400)
    assert [read_ms(text) for text in texts[::STEP]] == expected[::STEP].tolist()
    ms, sure = read_many_ms(texts)
    assert sure.all() or not sure.any()  # what is not read at once is left to `read_ms`
    assert np.array_equal(ms[sure], expected[sure])


NEAR: dict[str, tuple[Callable[[datetime], str], str]] = {
    "HL7 seconds": (lambda t: f"{t:%Y%m%d%H%M%S}", "HL7"),
    "HL7 seconds and zone": (lambda t: f"{t:%Y%m%d%H%M%S}+0000", "HL7"),
    "HL7 fractions and zone": (lambda t: f"{t:%Y%m%d%H%M%S}.1234-0500", "HL7"),
    "HL7 seconds and Z": (lambda t: f"{t:%Y%m%d%H%M%S}Z", "HL7"),
    "HL7 minutes": (lambda t: f"{t:%Y%m%d%H%M}", "HL7"),
    "HL7 hours and zone": (lambda t: f"{t:%Y%m%d%H}+0100", "HL7"),
    "compact": (lambda t: f"{t:%Y%m%dT%H%M%SZ}", "compact"),
    "half compact": (lambda t: f"{t:%Y-%m-%dT%H%M%SZ}", "compact"),
    "week date": (lambda t: f"{t:%G-W%V-%uT%H:%M:%SZ}", "week"),
    "compact week date": (lambda t: f"{t:%GW%V%uT%H%M%SZ}", "week"),
    "ordinal date": (lambda t: f"{t:%Y-%jT%H:%M:%SZ}", "ordinal"),
    "compact ordinal date": (lambda t: f"{t:%Y%jT%H%M%SZ}", "ordinal"),
    "no offset": (lambda t: f"{t:%Y-%m-%dT%H:%M:%S}", "no offset"),
    "offset without a colon": (lambda t: f"{t:%Y-%m-%dT%H:%M:%S}+0000", "+hh:mm"),
    "no seconds": (lambda t: f"{t:%Y-%m-%dT%H:%MZ}", "no seconds"),
    "seconds as text": (lambda t: f"{t.timestamp():.0f}", "seconds"),
    "seconds with a fraction": (lambda t: f"{t.timestamp():.3f}", "seconds"),
    "milliseconds as text": (lambda t: f"{t.timestamp():.0f}000", "milliseconds"),
    "a digit between date and time": (lambda t: f"{t:%Y-%m-%d0%H:%M:%SZ}", "2026-11-21T"),
}


@pytest.mark.parametrize(("form", "hint"), NEAR.values(), ids=NEAR)
def test_seconds_of_a_day_in_a_near_form_are_refused_with_a_hint(
    form: Callable[[datetime], str], hint: str
) -> None:
    texts = [form(moment) for moment in DAY[::STEP]]
    assert not [text for text in texts if hint not in refusal(read_ms, text)]
    assert not read_many_ms(texts)[1].any()


NUMBERS: dict[str, tuple[Callable[[int], int], str]] = {
    "seconds": (lambda s: s, "seconds"),
    "microseconds": (lambda s: s * 10**6, "microseconds"),
    "nanoseconds": (lambda s: s * 10**9, "nanoseconds"),
    "HL7 digits": (lambda s: int(f"{datetime.fromtimestamp(s, UTC):%Y%m%d%H%M%S}"), "HL7"),
    "HL7 digits to the minute": (
        lambda s: int(f"{datetime.fromtimestamp(s, UTC):%Y%m%d%H%M}"), "HL7",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "hint"), NUMBERS.values(), ids=NUMBERS)
def test_seconds_of_a_day_as_another_number_are_refused_with_a_hint(
    form: Callable[[int], int], hint: str
) -> None:
    numbers = [form(MIDNIGHT_MS // 1000 + second) for second in range(0, 86_400, STEP)]
    assert not [number for number in numbers if hint not in refusal(check_ms, number)]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000),
        ("2026-11-21T10:00:00Z", 1_795_255_200_000),
        ("2026-11-21T15:30:00+05:30", 1_795_255_200_000),
        ("2026-11-21T10:00:00-00:00", 1_795_255_200_000),
        ("2026-11-21 10:00:00Z", 1_795_255_200_000),
        ("2026-11-21T10:00:00.1Z", 1_795_255_200_100),
        ("2026-11-21T10:00:00.1239999Z", 1_795_255_200_123),
        ("2026-11-21T10:00:00." + "3" * 500 + "Z", 1_795_255_200_333),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("1969-12-31T23:00:00-01:00", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("1990-12-31T23:59:60Z", 662_688_000_000),
        ("1990-12-31T15:59:60-08:00", 662_688_000_000),
        ("2015-07-01T05:29:60.5+05:30", 1_435_708_800_500),
    ],
)
def test_times(text: str, ms: int) -> None:
    assert read_ms(text) == ms
    at_once, sure = read_many_ms([text])
    assert not sure[0] or at_once[0] == ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z",
        "2026-11-31T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T10:60:00Z",
        "2026-11-21T10:00:61Z", "2026-11-21T23:59:60Z", "2026-12-31T22:59:60Z",
        "2026-12-31T23:59:60+01:00", "2026-11-21T10:00:00+24:00", "2026-11-21T10:00:00+05:60",
        "2026-11-21T10:00:00,5Z", "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00 Z",
        "2026-11-21T10:00:00Z\n", " 2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z[UTC]",
        "2026-11-21T10:00:00+01", "2026-11-21T10:00:00+01:00:00", "2026-11-21_10:00:00Z",
        "2026-11-21  10:00:00Z", "+2026-11-21T10:00:00Z", "02026-11-21T10:00:00Z",
        "26-11-21T10:00:00Z", "21.11.2026 10:00", "Sat, 21 Nov 2026 10:00:00 GMT", "now", "",
        "2026", "2026-11", "2026-11-21", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-00:01", "\uff12\uff10\uff12\uff16-11-21T10:00:00Z",
        "2026-11-21T10:00:00\u22120:00",
        "2026-11-21T1\u0660:00:00Z", "x" * 60_000,
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadTimeError) as refused:
        read_ms(text)
    assert len(str(refused.value)) < 200
    assert not read_many_ms([text] * 3)[1].any()


def test_a_refusal_does_not_repeat_what_may_name_a_patient() -> None:
    for text in ("Mary Smith", "2026-11-21T10:00:00 Mary", "20261121 Mary", "Mary 12 Smith"):
        assert "Mary" not in refusal(read_ms, text) != ""


@pytest.mark.parametrize(
    ("number", "is_taken"),
    [(631_152_000_000, True), (631_151_999_999, False), (253_402_300_799_999, True),
     (253_402_300_800_000, False), (0, False), (-1, False), (10**30, False), (-(10**400), False),
     (19_000_000_000_000, True), (20_261_121_100_000, False), (20_269_921_100_000, True)],
)  # fmt: skip
def test_numbers(number: int, is_taken: bool) -> None:
    if is_taken:
        assert check_ms(number) == number
    else:
        with pytest.raises(BadTimeError):
            check_ms(number)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.integers(0, 7),
)
def test_any_moment_with_any_offset_is_read(moment: datetime, offset: int, digits: int) -> None:
    local = moment + timedelta(minutes=offset)
    fraction = f".{local:%f}0"[: digits + 1] if digits else ""
    sign = "-" if offset < 0 else "+"
    clock = f"{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    text = f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{clock}"
    kept = int(f"{moment:%f}"[: min(digits, 3)].ljust(3, "0")) if digits else 0
    seconds = moment.replace(microsecond=0, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    expected = seconds // timedelta(milliseconds=1) + kept
    assert read_ms(text) == expected
    at_once, sure = read_many_ms([text])
    assert not sure[0] or at_once[0] == expected


@given(st.text(alphabet="0123456789-+:.TZtz ,W", max_size=30))
def test_whatever_is_written_both_readers_say_the_same(text: str) -> None:
    try:
        expected = read_ms(text)
    except BadTimeError:
        assert not read_many_ms([text])[1][0]
    else:
        at_once, sure = read_many_ms([text])
        assert not sure[0] or at_once[0] == expected


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1_795_255_200_000, "2026-11-21T10:00:00Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_fraction_of_a_second_is_written_only_where_there_is_one(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
