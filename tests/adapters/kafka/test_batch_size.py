"""Batches get smaller where they are refused, and larger again when the cause is gone."""

from __future__ import annotations

from streamer.adapters.kafka.batch_size import BatchSize
from streamer.adapters.kafka.options import BATCH_BYTES


class Clock:
    """Seconds that a test winds."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_after_a_mistake_that_was_mended_batches_are_full_again() -> None:
    clock = Clock()
    size = BatchSize(clock)
    for _ in range(9):
        size.refused()
    assert size.most_bytes == 1
    size.went_through()
    assert size.most_bytes == 1, "it has only just been refused"
    clock.now_s = 61
    size.went_through()
    assert size.most_bytes == BATCH_BYTES


def test_where_the_topic_is_narrow_full_batches_are_tried_ever_more_rarely() -> None:
    clock = Clock()
    size = BatchSize(clock)
    size.refused()
    tries = 0
    for second in range(3_600 * 4):
        clock.now_s = second
        if size.most_bytes == BATCH_BYTES:
            tries += 1
            size.refused()
        size.went_through()
    assert size.most_bytes == BATCH_BYTES // 16
    assert 5 <= tries <= 10


def test_what_was_narrow_once_and_is_not_any_more_begins_anew() -> None:
    clock = Clock()
    size = BatchSize(clock)
    for _ in range(2):
        size.refused()
        clock.now_s += 61
        size.went_through()
        clock.now_s += 61
        size.went_through()
        assert size.most_bytes == BATCH_BYTES
