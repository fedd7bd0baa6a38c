"""When to retrain: an interval or a cron expression, in UTC, one at a time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
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
    """Reads ``6h``, ``90m``, ``30s``, ``1d`` or plain seconds; the first time is one interval away.

    Raises:
        ValueError: it is none of these, or nothing.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ValueError(f"{text!r} is no interval; give one such as 6h, 90m, 30s or seconds")
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
            f"{text!r} is no cron expression ({error}); give five fields such as '0 3 * * *'"
        ) from error


def period(trigger: BaseTrigger) -> timedelta:
    """How long it is between the next two times."""
    first = trigger.get_next_fire_time(None, datetime.now(UTC))
    second = trigger.get_next_fire_time(first, first + timedelta(microseconds=1)) if first else None
    return second - first if first and second else timedelta(days=1)


def serve(trigger: BaseTrigger, job: Callable[[], object], stop: threading.Event) -> None:
    """Calls ``job`` on schedule until ``stop`` is set and a job under way has ended.

    A time that is missed because the one before still runs, or because the machine slept, is made
    up for once, as long as it is not older than the period.
    """
    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(1)},
        timezone=UTC,
    )
    grace_s = max(1, round(period(trigger).total_seconds()))
    scheduler.add_job(job, trigger, coalesce=True, max_instances=1, misfire_grace_time=grace_s)
    scheduler.start()
    stop.wait()
    scheduler.shutdown(wait=True)
