"""The events of a chaos run: a ward, with every kind of bad record, fixed by the seed."""

from __future__ import annotations

from bench.broken_records import BAD_HEADERS
from bench.chaos.events import chaos_events
from streamer.core.columns import decode
from streamer.core.reasons import Reason
from streamer.core.records import Record

NOW_MS = 1_800_000_000_000


def test_events_hold_every_kind_of_bad_record() -> None:
    events = list(chaos_events(3, 5_000, 4, NOW_MS))
    assert events == list(chaos_events(3, 5_000, 4, NOW_MS))
    assert len(events) == 5_000
    assert len({event.key for event in events}) > 50
    values = [event.value for event in events]
    assert len(set(values)) < len(values) - 50, "some come again"
    stamps = [event.timestamp_ms for event in events]
    assert sum(stamp > NOW_MS for stamp in stamps) > 5, "in microseconds"
    stamps = [stamp for stamp in stamps if stamp <= NOW_MS]
    assert stamps[-1] - stamps[0] > 20 * 24 * 3_600_000
    records = [
        Record(0, i, max(NOW_MS, event.timestamp_ms), event.key, event.value)
        for i, event in enumerate(events)
    ]
    assert sum(event.headers == BAD_HEADERS for event in events) > 5
    columns = decode(records, 3_600_000)
    assert {rejection.reason for rejection in columns.rejections} >= {
        Reason.EMPTY, Reason.NO_KEY, Reason.KEY_MISMATCH, Reason.NOT_JSON, Reason.WRONG_TYPE,
        Reason.FUTURE_TIME, Reason.BAD_TIME, Reason.BAD_TIMESTAMP,
    }  # fmt: skip
    assert len(columns.rejections) < 0.05 * len(events)
    assert columns.problems
