from __future__ import annotations

import time
from typing import Any

import pytest
from kafka import TopicPartition

from streamer.adapters.kafka.ends import Ends

READ, PAUSED = TopicPartition("vitals", 0), TopicPartition("vitals", 1)


class Consumer:
    """Its fetches have seen the end 10 of one partition; the other is paused and ends at 7."""

    def __init__(self) -> None:
        self.highwaters: dict[TopicPartition, int | None] = {READ: 10, PAUSED: None}
        self.n_asked = 0

    def paused(self) -> set[TopicPartition]:
        return {PAUSED, TopicPartition("vitals", 2)}

    def highwater(self, tp: TopicPartition) -> int | None:
        return self.highwaters[tp]

    def end_offsets(self, tps: set[TopicPartition], _timeout_ms: int) -> dict[TopicPartition, int]:
        self.n_asked += 1
        assert tps == {PAUSED}, "one that is not placed yet is not asked for"
        return {PAUSED: 7}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_is_left_counts_to_the_furthest_end_that_was_seen(clock: list[float]) -> None:
    consumer, known = Consumer(), Ends()
    asked: Any = consumer  # a stand-in
    assert known.left(asked, {READ: 4, PAUSED: 7}) == {0: 6, 1: 0}
    assert known.left(asked, {READ: 5, PAUSED: 7}) == {}, "once a second"
    clock[0] += 1
    consumer.highwaters[READ] = 8  # an older fetch
    assert known.left(asked, {READ: 4, PAUSED: 2}) == {0: 6, 1: 5}
    assert consumer.n_asked == 1
    clock[0] += 5
    known.forget(0)
    assert known.left(asked, {READ: 9, PAUSED: 2}) == {0: 0, 1: 5}
    assert consumer.n_asked == 2
