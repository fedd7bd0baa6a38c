"""The schedule of retraining: an interval or cron expression in UTC, and a count of new stays.

Each is a job of its own, and one thread runs them all: a combined trigger of APScheduler never
fires, or starves.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def interval_trigger(text: str) -> BaseTrigger:
    """Reads ``6h``, ``90m``, ``30s``, ``1d`` or plain seconds; first due one interval from now.

    Raises:
        ValueError: not an interval, or one of no length.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise ValueError(f"{text!r} is not an interval; give one such as 6h, 90m, 30s, or seconds")
    return IntervalTrigger(seconds=seconds, timezone=UTC)


def cron_trigger(text: str) -> BaseTrigger:
    """Reads five cron fields: minute, hour, day, month, weekday.

    Raises:
        ValueError: they cannot be read.
    """
    try:
        return CronTrigger.from_crontab(text, timezone=UTC)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a cron expression ({error}); give five fields such as '0 3 * * *'"
        ) from error


def period(trigger: BaseTrigger) -> timedelta:
    """The time between the next two times at which the trigger fires."""
    first = trigger.get_next_fire_time(None, datetime.now(UTC))
    second = trigger.get_next_fire_time(first, first + timedelta(microseconds=1)) if first else None
    return second - first if first and second else timedelta(days=1)


def missed(trigger: BaseTrigger, last: datetime | None, now: datetime) -> datetime | None:
    """The first time since the last run at which one was due; ``None`` where none was.

    Args:
        trigger: the schedule.
        last: when the last run began; ``None``: there was none, so none was missed.
        now: the time.
    """
    if last is None:
        return None
    due: datetime | None = trigger.get_next_fire_time(last, last + timedelta(microseconds=1))
    return due if due is not None and due <= now else None


def serve(
    jobs: Sequence[tuple[BaseTrigger, Callable[[], object]]],
    stop: threading.Event,
) -> None:
    """Calls each job on its schedule until ``stop`` is set and a job under way has ended.

    Jobs are called one at a time. If some are missed because one still runs, or because the machine
    slept, one makes up for them, as long as its time is not older than a period.
    """
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(1)},
        timezone=UTC,
    )
    for trigger, job in jobs:
        grace_s = max(1, round(period(trigger).total_seconds()))
        scheduler.add_job(job, trigger, coalesce=True, max_instances=1, misfire_grace_time=grace_s)
    scheduler.start()
    stop.wait()
    scheduler.shutdown(wait=True)
