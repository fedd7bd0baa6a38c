from __future__ import annotations

import pytest

from streamer.core.dead_letters import (
    MAX_CONTENT_BYTES,
    MAX_KEY_BYTES,
    REPLAYED_OF,
    TRACEPARENT,
    DeadLetter,
    Origin,
    Selection,
    Standing,
    kept,
    read,
)

HEADERS = [
    ("reason", b"too_late"),
    ("detail", b"a past stay"),
    ("topic", b"vitals"),
    ("partition", b"3"),
    ("offset", b"120"),
]


def size(content: bytes | None) -> int | None:
    return None if content is None else len(content)


def rejected(offset: int = 7, time_ms: int = 1_000, **more: bytes) -> DeadLetter:
    headers = dict(HEADERS) | {name.replace("_", "-"): value for name, value in more.items()}
    return read(offset, time_ms, b"p", b"{}", list(headers.items()))


def test_it_says_why_and_from_where() -> None:
    record = rejected()
    assert record.reason == "too_late"
    assert record.origin == Origin("vitals", 3, 120)
    assert record.first_origin == "vitals/3/120"
    assert record.passed_on() == [(REPLAYED_OF, b"vitals/3/120")]


def test_its_first_origin_stays_however_often_it_is_refused() -> None:
    record = rejected(replayed_of=b"vitals/1/5", traceparent=b"00-1-2-01")
    assert (record.first_origin, record.origin) == ("vitals/1/5", Origin("vitals", 3, 120))
    assert record.passed_on() == [(REPLAYED_OF, b"vitals/1/5"), (TRACEPARENT, b"00-1-2-01")]


@pytest.mark.parametrize("name", ["topic", "partition", "offset"])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_headers_of_somebody_else_are_no_error(name: str, value: bytes | None) -> None:
    headers: list[tuple[str, bytes]] = [(n, v) for n, v in HEADERS if n != name]
    headers += [(name, value)] if value is not None else []
    record = read(7, 0, None, None, headers)
    if name == "topic" and value == b"\xff":
        assert record.origin == Origin("\N{REPLACEMENT CHARACTER}", 3, 120)
    else:
        assert (record.origin, record.first_origin, record.passed_on()) == (None, "", [])
    assert read(7, 0, None, None, []).reason == ""


@pytest.mark.parametrize("name", ["partition", "offset"])
def test_a_place_below_0_is_none(name: str) -> None:
    """A replay to partition -1 would fail, and with it all records of its transaction."""
    assert read(7, 0, None, None, [*HEADERS, (name, b"-1")]).origin is None


def test_what_became_of_it() -> None:
    assert rejected().standing(set()) is Standing.WAITING
    assert rejected().standing({6, 8}) is Standing.WAITING
    assert rejected().standing({7}) is Standing.REENTERED
    back = rejected(replayed_of=b"vitals/1/5")
    assert back.standing(set()) is Standing.REFUSED_AGAIN
    assert back.standing({7}) is Standing.REENTERED
    assert read(7, 0, b"p", None, HEADERS).standing(set()) is Standing.EMPTY
    for cut in (rejected(truncated=b"20000000"), rejected(truncated_key=b"70000")):
        assert cut.standing(set()) is Standing.TRUNCATED


@pytest.mark.parametrize(
    ("key", "value", "kept_key", "kept_value"),
    [
        (None, None, None, None),
        (0, MAX_CONTENT_BYTES, 0, MAX_CONTENT_BYTES),
        (None, MAX_CONTENT_BYTES + 1, None, MAX_CONTENT_BYTES),
        (7, MAX_CONTENT_BYTES - 7, 7, MAX_CONTENT_BYTES - 7),
        (7, MAX_CONTENT_BYTES - 6, 7, MAX_CONTENT_BYTES - 7),
        (MAX_KEY_BYTES, None, MAX_KEY_BYTES, None),
        (MAX_KEY_BYTES + 1, 5, MAX_KEY_BYTES, 5),
        (20_000_000, 20_000_000, MAX_KEY_BYTES, MAX_CONTENT_BYTES - MAX_KEY_BYTES),
    ],
)
def test_what_no_message_can_hold_is_cut_and_says_so(
    key: int | None, value: int | None, kept_key: int | None, kept_value: int | None
) -> None:
    found_key, found_value, headers = kept(*(None if n is None else bytes(n) for n in (key, value)))
    assert (size(found_key), size(found_value)) == (kept_key, kept_value)
    cut = {"truncated-key": (key, kept_key), "truncated": (value, kept_value)}
    assert dict(headers) == {
        name: str(came).encode() for name, (came, stays) in cut.items() if came != stays
    }


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(), True),
        (Selection(frozenset({"too_late", "no_time"})), True),
        (Selection(frozenset({"no_time"})), False),
        (Selection(offsets=range(7, 8)), True),
        (Selection(offsets=range(8, 20)), False),
        (Selection(partition=3), True),
        (Selection(partition=0), False),
        (Selection(since_ms=1_000), True),
        (Selection(since_ms=1_001), False),
        (Selection(frozenset({"too_late"}), range(10), 3, 0), True),
        (Selection(frozenset({"too_late"}), range(10), 2, 0), False),
    ],
)
def test_what_is_chosen_meets_every_condition(selection: Selection, chosen: bool) -> None:
    assert selection.chooses(rejected()) is chosen


def test_without_an_origin_it_is_of_no_partition() -> None:
    stray = read(7, 0, b"p", b"{}", [])
    assert Selection().chooses(stray)
    assert not Selection(partition=0).chooses(stray)
