"""Days of the log by offset."""

from __future__ import annotations

import numpy as np

from streamer.service.log_days import LogDays


def test_a_day_holds_from_the_record_that_begins_it() -> None:
    days = LogDays(9, 0)
    assert days.begin(12, 100)
    assert days.begin(20, 103)
    assert days.at(np.array([10, 11, 12, 19, 20, 99])).tolist() == [0, 0, 100, 100, 103, 103]
    assert (days.before(10), days.before(12), days.before(13), days.before(20)) == (0, 0, 100, 100)


def test_what_is_known_already_changes_nothing() -> None:
    days = LogDays(9, 100)
    assert not days.begin(8, 101), "that record was read before"
    assert not days.begin(12, 100)
    assert days.begin(13, 101)
    assert not days.begin(13, 101), "a replay says it again"
    assert days.at(np.array([12, 13])).tolist() == [100, 101]
