from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from trainer.loop.schedule import cron_trigger, interval_trigger, missed, period, serve

# As QUICK, but long enough to learn.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21_600), ("90m", 5_400), ("30s", 30), ("1d", 86_400), ("45", 45), ("0.5s", 0.5)],
)
def test_intervals_are_read(text: str, seconds: float) -> None:
    assert period(interval_trigger(text)) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0", "-6h", "6 hours", "h", "nan"])
def test_a_wrong_interval_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="interval"):
        interval_trigger(text)


def test_cron_fields_are_read_in_utc() -> None:
    trigger = cron_trigger("30 3 * * *")
    fires = trigger.get_next_fire_time(None, datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert fires == datetime(2026, 7, 2, 3, 30, tzinfo=UTC)
    assert period(trigger) == timedelta(days=1)


@pytest.mark.parametrize("text", ["", "x y", "61 * * * *", "* * * *"])
def test_a_wrong_cron_expression_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        cron_trigger(text)


def test_jobs_run_one_at_a_time_until_stopped() -> None:
    stop, running, most, done = threading.Event(), 0, 0, 0

    def job() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        threading.Event().wait(0.12)  # longer than two intervals
        running -= 1
        done += 1
        if done == 3:
            stop.set()

    serve([(interval_trigger("0.05s"), job)], stop)
    assert (done, most, running) == (3, 1, 0)


def test_three_times_that_passed_while_nothing_ran_are_one_missed_run() -> None:
    trigger = cron_trigger("0 3 * * *")
    last, now = datetime(2026, 7, 1, 3, 0, 5, tzinfo=UTC), datetime(2026, 7, 4, 12, tzinfo=UTC)
    assert missed(trigger, last, now) == datetime(2026, 7, 2, 3, tzinfo=UTC)
    assert missed(trigger, last, datetime(2026, 7, 2, 2, 59, tzinfo=UTC)) is None
    assert missed(trigger, None, now) is None  # the first start missed nothing


def test_a_clock_that_jumps_an_hour_misses_nothing_back_and_one_time_forward() -> None:
    trigger = cron_trigger("0 * * * *")
    last = datetime(2026, 7, 1, 3, 0, 5, tzinfo=UTC)
    set_back, set_on = last - timedelta(hours=1), last + timedelta(hours=1)
    assert missed(trigger, last, set_back) is None  # what ran at three does not run again
    assert missed(trigger, last, set_on) == datetime(2026, 7, 1, 4, tzinfo=UTC)


def test_two_jobs_never_run_together() -> None:
    stop, running, most, names = threading.Event(), 0, 0, list[str]()

    def job(name: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        names.append(name)
        threading.Event().wait(0.06)
        running -= 1
        if {"a", "b"} <= set(names):
            stop.set()

    serve(
        [
            (interval_trigger("0.03s"), lambda: job("a")),
            (interval_trigger("0.04s"), lambda: job("b")),
        ],
        stop,
    )
    assert most == 1
