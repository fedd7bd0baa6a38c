from __future__ import annotations

from streamer.board.system import FEED_SILENT_MS, SCORING_STANDS_MS, SystemWatch
from streamer.ports.ward import Progress


def progress(end: int, committed: int | None) -> Progress:
    return Progress({0: end, 1: 7}, {0: committed, 1: 7})


def test_scoring_that_stands_still_with_records_ahead_is_said_after_a_minute() -> None:
    watch = SystemWatch()
    watch.answered(progress(10, 10), 0)
    watch.answered(progress(20, 10), 5_000)
    watch.answered(progress(30, 10), SCORING_STANDS_MS - 1)
    assert watch.scoring_since_ms is None
    watch.answered(progress(40, 10), SCORING_STANDS_MS)
    assert watch.scoring_since_ms == 0
    watch.answered(progress(50, 11), SCORING_STANDS_MS + 5_000)
    assert watch.scoring_since_ms is None, "slow is not stopped"


def test_a_service_that_has_done_all_is_not_stopped() -> None:
    watch = SystemWatch()
    watch.answered(progress(10, 10), 0)
    watch.answered(progress(10, 10), 10 * SCORING_STANDS_MS)
    assert watch.scoring_since_ms is None


def test_a_group_that_never_committed_is_stopped_too() -> None:
    watch = SystemWatch()
    watch.answered(progress(10, None), 0)
    watch.answered(progress(11, None), SCORING_STANDS_MS)
    assert watch.scoring_since_ms == 0


def test_an_offset_that_moves_just_now_is_not_standing_still() -> None:
    watch = SystemWatch()
    watch.answered(progress(10, 5), 0)
    watch.answered(Progress({0: 10, 1: 7}, {1: 7}), SCORING_STANDS_MS)
    assert watch.scoring_since_ms is None


def test_a_feed_without_records_is_silent_after_five_minutes() -> None:
    watch = SystemWatch()
    watch.answered(progress(10, 10), 0)
    watch.answered(progress(11, 11), 1_000)
    watch.answered(progress(11, 11), FEED_SILENT_MS)
    assert watch.feed_since_ms is None
    watch.answered(progress(11, 11), FEED_SILENT_MS + 1_000)
    assert watch.feed_since_ms == 1_000
    watch.answered(progress(12, 12), FEED_SILENT_MS + 6_000)
    assert watch.feed_since_ms is None


def test_while_kafka_is_away_nothing_else_is_judged() -> None:
    watch = SystemWatch()
    watch.answered(progress(20, 10), 0)
    watch.failed(5_000)
    watch.failed(FEED_SILENT_MS)
    assert watch.kafka_since_ms == 5_000
    assert (watch.scoring_since_ms, watch.feed_since_ms) == (None, None)
    watch.answered(progress(20, 10), FEED_SILENT_MS + 1)
    judged = [watch.kafka_since_ms, watch.scoring_since_ms, watch.feed_since_ms]
    assert judged == [None, None, None]


def canaries(minute: int, risks: int, committed: int | None = None) -> Progress:
    """Canaries come each minute, and as many risks of patients as there are."""
    end = 10 + 3 * minute
    return Progress({0: end}, {0: end if committed is None else committed}, {0: risks})


def test_canaries_are_no_feed() -> None:
    watch = SystemWatch()
    for minute in range(5):
        watch.answered(canaries(minute, risks=7), minute * 60_000)
        assert watch.feed_since_ms is None
    watch.answered(canaries(5, risks=7), FEED_SILENT_MS)
    assert watch.feed_since_ms == 0, "the input moves, and nobody is measured"
    watch.answered(canaries(6, risks=8), FEED_SILENT_MS + 60_000)
    assert watch.feed_since_ms is None


def test_where_nobody_scores_no_risk_is_missed_of_the_feed() -> None:
    watch = SystemWatch()
    for minute in range(20):
        watch.answered(canaries(minute, risks=7, committed=10), minute * 60_000)
        assert watch.feed_since_ms is None
    assert watch.scoring_since_ms == 0


def test_risks_may_be_as_far_apart_as_they_are_asked_for() -> None:
    watch = SystemWatch(interval_ms=1_800_000)
    for minute in range(80):
        watch.answered(canaries(minute, risks=minute // 30), minute * 60_000)
        assert watch.feed_since_ms is None
