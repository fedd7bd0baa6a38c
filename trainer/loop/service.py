"""`trainer run` as a service: when a run is due, and why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from apscheduler.triggers.base import BaseTrigger

from trainer.loop import schedule
from trainer.loop.record import RunRecord
from trainer.loop.runs import Retraining

_log = structlog.get_logger()

COUNT_EVERY: Final = "10m"
_COUNTED: Final = ("promoted", "asks", "kept", "waiting")


def n_at_last_run(records: Sequence[RunRecord]) -> int:
    """Labelled stays at the last run that had a result, or that their count began; 0 before.

    A run that a count began counts however it ended: what hindered it is still there ten minutes
    later, and the schedule, or as many stays again, will try anew. One that was stopped by SIGTERM
    was hindered by nothing.
    """
    n_stays = 0
    for record in records:
        if record.is_repeat:
            continue
        if record.data is not None and record.ended in _COUNTED:
            n_stays = record.data.n_stays
        elif record.counted and record.ended != "stopped":
            n_stays = record.counted
    return n_stays


def is_due(n_stays: int, records: Sequence[RunRecord], after_stays: int) -> bool:
    """Whether so many stays have become mature and labelled since the last run."""
    return n_stays - n_at_last_run(records) >= after_stays


def last_started(records: Sequence[RunRecord]) -> datetime | None:
    """When the last run began that was not skipped; a repeat is none."""
    started = [
        datetime.fromisoformat(r.started)
        for r in records
        if r.ended != "skipped" and not r.is_repeat
    ]
    return max(started, default=None)


class Service:
    """Calls one guarded run for every reason that there is.

    Args:
        retraining: runs.
        trigger: the schedule.
        after_stays: newly mature labelled stays after which a run is due; 0: no count.
    """

    def __init__(self, retraining: Retraining, trigger: BaseTrigger, after_stays: int) -> None:
        self._retraining = retraining
        self._trigger = trigger
        self._after_stays = after_stays

    def serve(self, stop: threading.Event) -> None:
        """Runs until ``stop`` is set; at the start one run makes up for those that were missed."""
        try:
            self._retraining.begin()
        except OSError as error:  # a full disk: each run begins with the same
            _log.error("the registry cannot be written", error=str(error))
        now = datetime.now(UTC)
        due = schedule.missed(self._trigger, last_started(self._retraining.records.all()), now)
        if due is not None:
            time = due.isoformat(timespec="seconds")
            self._retraining.once(f"missed {time}", time)
        jobs: list[tuple[BaseTrigger, Callable[[], object]]] = [
            (self._trigger, lambda: self._retraining.once("schedule"))
        ]
        if self._after_stays:
            jobs.append((schedule.interval_trigger(COUNT_EVERY), self.look))
            self.look()
        schedule.serve(jobs, stop)

    def look(self) -> RunRecord | None:
        """Counts the stays, and runs where enough are new."""
        n_stays = self._retraining.count()
        records = self._retraining.records.all()
        if n_stays is None or not is_due(n_stays, records, self._after_stays):
            return None
        n_new = n_stays - n_at_last_run(records)
        return self._retraining.once(f"{n_new} new stays", counted=n_stays)
