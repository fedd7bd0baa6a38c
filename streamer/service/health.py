"""Health of the service: alive, ready, or the reasons why not and since when.

The loop writes it and the HTTP port reads it from another thread, so a value that is read is
replaced as a whole and never changed in place. No reason carries a patient's id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

import structlog

from streamer.ports.log import LogNotAllowed, LogUnavailable
from streamer.ports.states import StoreNotAllowed, StoreUnavailable
from streamer.service import metrics
from streamer.service.metrics import Waiting

if TYPE_CHECKING:  # partitions import stays, and stays the scoring code: commands do without
    from streamer.service.takeover import BlockedPartition, Partition, UntakenPartition

_log = structlog.get_logger()

# Longer than any round that ends well: a commit may hang for one minute, and a new producer that
# ends an open transaction (decision 019) for two. After five the group drops the member anyway.
STUCK_S: Final = 180.0
# Taking a partition takes some 0.1 s and is no news; one that waits for its offset takes longer.
UNTAKEN_S: Final = 1.0
_WAITING: Final = "waiting"
_NOT_ALLOWED: Final = "not_allowed"
SLOW_S: Final = 5.0  # a transaction takes some 10 ms; one that waits for a new leader, seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a rebuild, in records of the log.

    ``seconds_left`` is ``None`` before the first record is done.

    >>> Progress(done=25, total=100, seconds_left=6.0).percent
    25.0
    """

    done: int
    total: int
    seconds_left: float | None

    @property
    def percent(self) -> float:
        """The share that is done, 0 to 100, to one decimal."""
        return round(100 * self.done / self.total, 1)


class ProgressJson(TypedDict):
    """``Progress`` as `/readyz` serves it."""

    done: int
    total: int
    percent: float
    seconds_left: float | None


class ReasonJson(TypedDict):
    """``Reason`` as `/readyz` serves it."""

    kind: str
    says: str
    since: str
    waiting_on: NotRequired[str]
    partition: NotRequired[int]
    progress: NotRequired[ProgressJson]


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause that keeps the service from its work.

    Attributes:
        kind: `waiting`, `not_allowed`, `failing`, `refused`, `rebuilding` or `stuck`.
        message: the reason in words, with the way out where a person is needed.
        since: epoch seconds.
        began: the same moment, in seconds that never go back: ages are counted from it.
        waiting_on: the dependency that is waited for, with `waiting` and `not_allowed`.
        partition: the input partition, with `refused`, `rebuilding`, and `waiting` of one alone.
        progress: with `rebuilding`.
    """

    kind: str
    message: str
    since: float
    began: float
    waiting_on: Waiting | None = None
    partition: int | None = None
    progress: Progress | None = None

    @property
    def text(self) -> str:
        """The reason on one line."""
        if self.partition is None:
            return self.message
        return f"partition {self.partition}: {self.message}"

    def as_json(self) -> ReasonJson:
        """The reason as `/readyz` serves it; `since` in RFC 3339."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer: ReasonJson = {"kind": self.kind, "says": self.message, "since": since}
        if self.waiting_on is not None:
            answer["waiting_on"] = self.waiting_on
        if self.partition is not None:
            answer["partition"] = self.partition
        if self.progress is not None:
            left = self.progress.seconds_left
            answer["progress"] = {
                "done": self.progress.done,
                "total": self.progress.total,
                "percent": self.progress.percent,
                "seconds_left": None if left is None else round(left, 1),
            }
        return answer


class Health:
    """Health as the loop reports it, for the HTTP port and the metrics.

    Args:
        clock: epoch seconds, for people. It may be set while the service runs: whether the loop
            moves is not judged by it.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._moved = monotonic()
        self._rebuild_starts: dict[tuple[int, int], tuple[int, float]] = {}
        self._reasons: tuple[Reason, ...] = ()
        self._open_question: Reason | None = None
        metrics.LOOP_AGE.set_function(lambda: self.loop_age_s)
        metrics.READY.set_function(lambda: not self.reasons)
        for on in Waiting:
            metrics.WAITING.labels(on).set_function(partial(self._is_waiting, on))
        message = "waiting for the first assignment"
        self._wait(self._reason(_WAITING, message, Waiting.ASSIGNMENT))

    @property
    def loop_age_s(self) -> float:
        """Seconds since the loop last began a round."""
        return self._monotonic() - self._moved

    @property
    def alive(self) -> bool:
        """Whether the loop still moves; if not, only a restart helps."""
        return self.loop_age_s <= STUCK_S

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the service is not doing its work right now; empty when it is."""
        reasons, question = self._reasons, self._open_question
        if question is not None and self._monotonic() - question.began > SLOW_S:
            reasons = (question, *reasons)
        if not self.alive:
            age_s = self.loop_age_s
            message = f"the loop has not moved for {age_s:.0f} s"
            reasons = (self._reason("stuck", message, age_s=age_s), *reasons)
        return reasons

    @property
    def waiting_on(self) -> Waiting | None:
        """The dependency that the whole service waits for; ``None`` if it does not wait."""
        return next((r.waiting_on for r in self._reasons if r.waiting_on is not None), None)

    def beat(self) -> None:
        """Notes that the loop moves."""
        self._moved = self._monotonic()

    @contextmanager
    def waiting_for(self, on: Waiting, what: str) -> Iterator[None]:
        """Marks a call that holds the loop: after ``SLOW_S`` it is a reason.

        Args:
            on: the dependency that is called.
            what: who is to do what, for people.
        """
        self._open_question = self._reason(_WAITING, f"waiting for {what}", on)
        try:
            yield
        finally:
            self._open_question = None

    def note_outage(self, error: LogUnavailable | StoreUnavailable) -> None:
        """Notes that the log or the store does not answer, or refuses: the service waits for it."""
        on = Waiting.LOG if isinstance(error, LogUnavailable) else Waiting.STORE
        kind = _NOT_ALLOWED if isinstance(error, LogNotAllowed | StoreNotAllowed) else _WAITING
        if (kind, on) not in {(reason.kind, reason.waiting_on) for reason in self._reasons}:
            _log.warning(kind.replace("_", " "), on=on, reason=str(error))
        message = str(error) if kind == _NOT_ALLOWED else f"waiting for {error}"
        self._wait(self._reason(kind, message, on))

    def observe(
        self,
        owned: Iterable[Partition],
        blocked: Mapping[int, BlockedPartition],
        untaken: Mapping[int, UntakenPartition] | None = None,
        *,
        failure: str | None = None,
        is_spare: bool = False,
    ) -> None:
        """Notes the state of all partitions after a round in which log and store have answered.

        Args:
            owned: partitions that are worked on.
            blocked: those that are not, by number.
            untaken: those that are yet to be taken, by number.
            failure: why no transaction goes through; ``None`` while they do.
            is_spare: other services have all partitions.
        """
        owned = list(owned)
        waiting = [reason for reason in self._reasons if reason.waiting_on is not None]
        assigned = owned or blocked or untaken
        if assigned or is_spare or self.waiting_on != Waiting.ASSIGNMENT:
            self._log_end_of_wait(waiting)
            waiting = []
        if failure is not None:
            waiting.append(self._reason("failing", failure))
        now = self._monotonic()
        for number, late in sorted((untaken or {}).items()):
            if now - late.since > UNTAKEN_S and (late.why or failure is None):
                why = late.why or "its states are yet to be loaded"
                message = f"waiting to be taken: {why}"
                age_s = now - late.since
                waiting.append(self._reason("waiting", message, partition=number, age_s=age_s))
        refused = [
            self._reason("refused", block.reason, partition=number)
            for number, block in sorted(blocked.items())
        ]
        behind = sorted((p for p in owned if not p.caught_up), key=lambda p: p.number)
        self._rebuild_starts = {
            (p.number, p.epoch): self._rebuild_starts.get((p.number, p.epoch), (p.position, now))
            for p in behind
        }
        self._replace([*waiting, *refused, *map(self._rebuilding, behind)])

    def _is_waiting(self, on: Waiting) -> bool:
        return any(reason.waiting_on == on for reason in self.reasons)

    def _wait(self, reason: Reason) -> None:
        others = [other for other in self._reasons if other.waiting_on is None]
        self._replace([reason, *others])

    def _log_end_of_wait(self, waiting: Iterable[Reason]) -> None:
        for reason in waiting:
            waited_s = round(self._monotonic() - reason.began, 1)
            _log.info("going on", on=reason.waiting_on, waited_seconds=waited_s)

    def _rebuilding(self, partition: Partition) -> Reason:
        start, began = self._rebuild_starts[partition.number, partition.epoch]
        done, total = partition.position - start, partition.silent_until - start
        spent_s = self._monotonic() - began
        left_s = spent_s * (total - done) / done if done else None
        reason = self._reason(
            "rebuilding", "rebuilding its states", partition=partition.number, age_s=spent_s
        )
        return replace(reason, progress=Progress(done, total, left_s))

    def _reason(
        self,
        kind: str,
        message: str,
        waiting_on: Waiting | None = None,
        partition: int | None = None,
        *,
        age_s: float = 0.0,
    ) -> Reason:
        """A reason that has stood for so many seconds."""
        since, began = self._clock() - age_s, self._monotonic() - age_s
        return Reason(kind, message, since, began, waiting_on, partition)

    def _replace(self, reasons: list[Reason]) -> None:
        """Sets the reasons; one that was there before keeps its beginning."""
        known = {(r.kind, r.waiting_on, r.partition): r for r in self._reasons}
        self._reasons = tuple(
            replace(r, since=before.since, began=before.began)
            if (before := known.get((r.kind, r.waiting_on, r.partition)))
            else r
            for r in reasons
        )
        self._expose()

    def _expose(self) -> None:
        reasons = self._reasons
        metrics.REFUSED.set({str(r.partition): 1 for r in reasons if r.kind == "refused"})
        rebuilds = {str(r.partition): r.progress for r in reasons if r.progress is not None}
        metrics.REBUILD_LEFT.set({p: r.total - r.done for p, r in rebuilds.items()})
        metrics.REBUILD_DONE.set({p: r.done / r.total for p, r in rebuilds.items()})
