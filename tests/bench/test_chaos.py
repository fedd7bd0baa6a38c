"""The parts of the chaos program: its faults, its events, its verdict."""

from __future__ import annotations

import itertools

from bench.chaos import on_kafka, on_redis, on_services, sender
from bench.chaos.events import invented
from bench.chaos.lane import deck
from bench.chaos.run import Outcome
from streamer.core.columns import decode
from streamer.core.reasons import Reason
from streamer.core.records import Record

NOW_MS = 1_800_000_000_000


def test_there_are_kinds_of_faults_for_everything() -> None:
    kinds = (*on_services.KINDS, *on_redis.KINDS, *on_kafka.KINDS, *sender.KINDS)
    assert len(set(kinds)) == len(kinds) >= 25


def test_a_seed_is_a_sequence_of_faults() -> None:
    def first(seed: int, start: float = 0.0) -> list[str]:
        return list(itertools.islice(deck(seed, "redis", on_redis.KINDS, start), 25))

    assert first(1) == first(1)
    assert first(1) != first(2)
    assert set(first(1)[: len(on_redis.KINDS)]) == set(on_redis.KINDS)
    assert first(1, 0.5)[:5] == first(1)[5:10]


def test_what_is_sent_is_a_ward_with_everything_that_can_be_wrong() -> None:
    events = list(invented(3, 5_000, 4, NOW_MS))
    assert events == list(invented(3, 5_000, 4, NOW_MS))
    assert len(events) == 5_000
    assert len({event.key for event in events}) > 50
    values = [event.value for event in events]
    assert len(set(values)) < len(values) - 50, "some come again"
    records = [Record(0, i, NOW_MS, event.key, event.value) for i, event in enumerate(events)]
    columns = decode(records, 3_600_000)
    assert {rejection.reason for rejection in columns.rejections} >= {
        Reason.EMPTY, Reason.NO_KEY, Reason.KEY_MISMATCH, Reason.NOT_JSON, Reason.WRONG_TYPE,
        Reason.FUTURE_TIME, Reason.BAD_TIME,
    }  # fmt: skip
    assert len(columns.rejections) < 0.05 * len(events)
    assert columns.problems


def test_a_run_that_was_not_compared_does_not_hold() -> None:
    assert not Outcome([], []).holds
    assert not Outcome([], ["the sender did not end"]).holds
