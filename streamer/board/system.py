"""Whether the board can be believed: Kafka, the service, the feed, judged by what they did when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streamer.ports.ward import Progress

SCORING_STANDS_MS: Final = 60_000
"""The group's offset stands still for so long with records ahead: nobody scores."""
FEED_SILENT_MS: Final = 300_000
"""No record came for so long: a ward of any size sends one a minute. Canaries do so as well, and
cause no risk: records without any risk for so long are no feed either, unless nobody scores."""

_INTERVALS: Final = 3  # of evaluation: each patient who is heard of has a risk in one of them


@dataclass(slots=True)
class SystemWatch:
    """Follows how the offsets move; times are epoch milliseconds of the wall clock.

    Attributes:
        kafka_since_ms: when Kafka was first found away, ``None`` while it answers.
        scoring_since_ms: since when scoring stands still, likewise.
        feed_since_ms: since when the feed is silent, likewise.
        interval_ms: between two risks of a patient.
    """

    kafka_since_ms: int | None = None
    scoring_since_ms: int | None = None
    feed_since_ms: int | None = None
    interval_ms: int = 60_000
    _ends: dict[int, int] = field(default_factory=dict)
    _committed: dict[int, int] = field(default_factory=dict)
    _fed_ms: int | None = None
    _risk_ends: dict[int, int] = field(default_factory=dict)
    _risk_ms: int | None = None
    # By partition, the last time at which its offset moved, or had nothing ahead.
    _moved_ms: dict[int, int] = field(default_factory=dict)

    def answered(self, progress: Progress, now_ms: int) -> None:
        """Notes how far the service is."""
        self.kafka_since_ms = None
        if self._fed_ms is None or progress.ends != self._ends:
            self._fed_ms = now_ms
        for partition, end in progress.ends.items():
            if partition not in progress.committed:  # it moves just now
                self._moved_ms[partition] = now_ms
                continue
            committed = progress.committed[partition] or 0
            has_moved = committed != self._committed.get(partition)
            if has_moved or committed >= end or partition not in self._moved_ms:
                self._moved_ms[partition] = now_ms
            self._committed[partition] = committed
        self._ends = dict(progress.ends)
        oldest = min(self._moved_ms.values(), default=now_ms)
        self.scoring_since_ms = oldest if now_ms - oldest >= SCORING_STANDS_MS else None
        # While nobody scores no risk can come: that is no silence of the feed.
        risks_moved = progress.risk_ends != self._risk_ends or self.scoring_since_ms is not None
        if self._risk_ms is None or risks_moved:
            self._risk_ms = now_ms
        self._risk_ends = dict(progress.risk_ends)
        self.feed_since_ms = self._silent_since(now_ms, has_risks=bool(progress.risk_ends))

    def _silent_since(self, now_ms: int, *, has_risks: bool) -> int | None:
        if self._fed_ms is not None and now_ms - self._fed_ms >= FEED_SILENT_MS:
            return self._fed_ms
        most_ms = max(FEED_SILENT_MS, _INTERVALS * self.interval_ms)
        if has_risks and self._risk_ms is not None and now_ms - self._risk_ms >= most_ms:
            return self._risk_ms
        return None

    def failed(self, now_ms: int) -> None:
        """Notes that Kafka did not answer: what is not known is not judged."""
        if self.kafka_since_ms is None:
            self.kafka_since_ms = now_ms
        # The time of the outage is nobody's silence.
        self._fed_ms = self._risk_ms = None
        self._moved_ms.clear()
        self.scoring_since_ms = self.feed_since_ms = None
