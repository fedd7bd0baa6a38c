"""Whether the service lives and does its work, and if not: why, since when, and for how long.

The loop notes what it sees here; the HTTP port reads it from another thread. So everything that is
read is replaced as a whole, and never changed in place. No reason carries a patient's id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.service import metrics
from streamer.service.metrics import Waiting

if TYPE_CHECKING:  # partitions come with stays, and those with torch: `streamer` starts without
    from streamer.service.takeover import BlockedPartition, Partition

_log = structlog.get_logger()

# Longer than a round that ends well: a commit may hang for a minute, a producer that is made anew
# and ends what was left open (019) for two. After five the group throws the member out anyway.
STUCK_S: Final = 180.0
SLOW_S: Final = 5.0  # a transaction takes some 10 ms; the longest in order waits for a new leader


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is, in records of the log; ``seconds_left`` is ``None`` before the first.

    >>> Progress(done=25, total=100, seconds_left=6.0).percent
    25.0
    """

    done: int
    total: int
    seconds_left: float | None

    @property
    def percent(self) -> float:
        """The share that is done."""
        return round(100 * self.done / self.total, 1)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps the service from its work.

    Attributes:
        kind: `waiting`, `blocked`, `rebuilding` or `stuck`.
        message: the reason in words, with the way out where a person is needed.
        since: epoch seconds.
        waiting_on: what is waited for, with `waiting`.
        partition: which input partition, with `blocked` and `rebuilding`.
        progress: with `rebuilding`.
    """

    kind: str
    message: str
    since: float
    waiting_on: Waiting | None = None
    partition: int | None = None
    progress: Progress | None = None

    @property
    def text(self) -> str:
        """The reason on one line."""
        if self.partition is None:
            return self.message
        return f"partition {self.partition}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """The reason as `/readyz` gives it."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said: dict[str, Any] = {"kind": self.kind, "says": self.message, "since": since}
        if self.waiting_on is not None:
            said["waiting_on"] = self.waiting_on
        if self.partition is not None:
            said["partition"] = self.partition
        if self.progress is not None:
            left = self.progress.seconds_left
            said["progress"] = {
                "done": self.progress.done,
                "total": self.progress.total,
                "percent": self.progress.percent,
                "seconds_left": None if left is None else round(left, 1),
            }
        return said


class Health:
    """What the loop says of itself.

    Args:
        clock: epoch seconds; tests wind it.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._moved = clock()
        self._begun: dict[tuple[int, int], tuple[int, float]] = {}
        self._reasons: tuple[Reason, ...] = ()
        self._asked: Reason | None = None
        metrics.LOOP_AGE.set_function(lambda: self.loop_age_s)
        metrics.READY.set_function(lambda: not self.reasons)
        for on in Waiting:
            metrics.WAITING.labels(on).set_function(partial(self._is_waiting, on))
        self._wait(Waiting.ASSIGNMENT, "the first assignment")

    @property
    def loop_age_s(self) -> float:
        """Seconds since the loop last moved; a stuck one does not."""
        return max(0.0, self._clock() - self._moved)

    @property
    def alive(self) -> bool:
        """Whether the loop moves: if not, nothing but a restart helps."""
        return self.loop_age_s <= STUCK_S

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the service is not doing its work right now; empty when it is."""
        reasons, asked = self._reasons, self._asked
        if asked is not None and self._clock() - asked.since > SLOW_S:
            reasons = (asked, *reasons)
        if not self.alive:
            message = f"the loop has not moved for {self.loop_age_s:.0f} s"
            reasons = (Reason("stuck", message, self._moved), *reasons)
        return reasons

    @property
    def waiting_on(self) -> Waiting | None:
        """What the whole service waits for."""
        return next((r.waiting_on for r in self._reasons if r.waiting_on is not None), None)

    def beat(self) -> None:
        """The loop has moved."""
        self._moved = self._clock()

    @contextmanager
    def waiting_for(self, on: Waiting, what: str) -> Iterator[None]:
        """A question that holds the loop until it is answered: a reason, if it takes long."""
        self._asked = Reason("waiting", f"waiting for {what}", self._clock(), on)
        try:
            yield
        finally:
            self._asked = None

    def note_outage(self, error: LogUnavailable | StoreUnavailable) -> None:
        """Nothing goes on until the log or the store answers again."""
        on = Waiting.LOG if isinstance(error, LogUnavailable) else Waiting.STORE
        if self.waiting_on != on:
            _log.warning("waiting", on=on, reason=str(error))
        self._wait(on, str(error))

    def observe(self, owned: Iterable[Partition], blocked: Mapping[int, BlockedPartition]) -> None:
        """Notes how partitions stand after a round in which log and store have answered.

        Args:
            owned: those that are worked on.
            blocked: why the others are not.
        """
        owned = list(owned)
        waiting = [reason for reason in self._reasons if reason.kind == "waiting"]
        if owned or blocked or self.waiting_on != Waiting.ASSIGNMENT:
            self._goes_on(waiting)
            waiting = []
        told = [
            Reason("refused", each.reason, self._clock(), partition=number)
            for number, each in sorted(blocked.items())
        ]
        behind = sorted((p for p in owned if not p.caught_up), key=lambda p: p.number)
        self._begun = {
            (p.number, p.epoch): self._begun.get((p.number, p.epoch), (p.position, self._clock()))
            for p in behind
        }
        self._replace([*waiting, *told, *map(self._rebuilding, behind)])

    def _is_waiting(self, on: Waiting) -> bool:
        return any(reason.waiting_on == on for reason in self.reasons)

    def _wait(self, on: Waiting, what: str) -> None:
        others = [reason for reason in self._reasons if reason.kind != "waiting"]
        self._replace([Reason("waiting", f"waiting for {what}", self._clock(), on), *others])

    def _goes_on(self, waiting: Iterable[Reason]) -> None:
        for reason in waiting:
            waited_s = round(self._clock() - reason.since, 1)
            _log.info("going on", on=reason.waiting_on, waited_seconds=waited_s)

    def _rebuilding(self, partition: Partition) -> Reason:
        start, since = self._begun[partition.number, partition.epoch]
        done, total = partition.position - start, partition.silent_until - start
        spent_s = self._clock() - since
        left_s = spent_s * (total - done) / done if done else None
        return Reason(
            "rebuilding",
            "rebuilding its states",
            since,
            partition=partition.number,
            progress=Progress(done, total, left_s),
        )

    def _replace(self, reasons: list[Reason]) -> None:
        """Makes these the reasons; one that was there before keeps its beginning."""
        known = {(r.kind, r.waiting_on, r.partition): r.since for r in self._reasons}
        self._reasons = tuple(
            replace(r, since=known.get((r.kind, r.waiting_on, r.partition), r.since))
            for r in reasons
        )
        self._expose()

    def _expose(self) -> None:
        reasons = self._reasons
        metrics.REFUSED.set({str(r.partition): 1 for r in reasons if r.kind == "refused"})
        rebuilds = {str(r.partition): r.progress for r in reasons if r.progress is not None}
        metrics.REBUILD_LEFT.set({p: each.total - each.done for p, each in rebuilds.items()})
        metrics.REBUILD_DONE.set({p: each.done / each.total for p, each in rebuilds.items()})
