from __future__ import annotations

from kafka.errors import InvalidRecordError, InvalidTimestampError, KafkaError

from streamer.adapters.kafka.output_timestamps import OutputTimestamps
from streamer.core.records import Record, Records

NOW_S = 1_700_000_000.0
AHEAD_S = 7_200.0


def read_at(*timestamps_ms: float) -> Records:
    return Records.of([Record(0, i, int(t), b"p", b"{}") for i, t in enumerate(timestamps_ms)])


def test_a_clock_that_is_refused_is_replaced_by_the_newest_record_for_a_while() -> None:
    elapsed = 0.0
    clock = OutputTimestamps(lambda: NOW_S + AHEAD_S, lambda: elapsed)
    clock.follow(read_at(NOW_S * 1000 - 5, NOW_S * 1000 - 10, NOW_S * 1_000_000))
    assert clock.stamp_ms() == (NOW_S + AHEAD_S) * 1000
    clock.note(KafkaError("something else"))
    assert clock.stamp_ms() == (NOW_S + AHEAD_S) * 1000
    wrapped = KafkaError("the transaction is over")
    clock.note(InvalidRecordError("the record has no key"))
    assert clock.stamp_ms() == (NOW_S + AHEAD_S) * 1000
    wrapped.__cause__ = InvalidRecordError("Timestamp 17 of message with offset 0 is out of range")
    clock.note(wrapped)
    assert clock.stamp_ms() == NOW_S * 1000 - 5
    clock.follow(read_at(NOW_S * 1000 + 20))
    assert clock.stamp_ms() == NOW_S * 1000 + 20
    elapsed = 601
    assert clock.stamp_ms() == (NOW_S + AHEAD_S) * 1000, "it may be right by now"


def test_without_any_record_there_is_only_the_clock() -> None:
    clock = OutputTimestamps(lambda: NOW_S, lambda: 0.0)
    clock.note(InvalidTimestampError())
    clock.follow(Records.of())
    assert clock.stamp_ms() == NOW_S * 1000
