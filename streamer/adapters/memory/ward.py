"""The in-memory twin of `adapters.kafka.ward` and `adapters.kafka.actions`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamer.core.time import HOUR_MS
from streamer.ports.log import LogUnavailable
from streamer.ports.ward import Progress, WardRecord, WardTopics

_LOOK_S: Final = 0.01  # a thread that follows an idle ward leaves the processor to others


class WrittenAction(NamedTuple):
    """One record that a board wrote."""

    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int | None


@dataclass(slots=True)
class MemoryWard:
    """The topics of a ward, and what boards wrote.

    Attributes:
        topics: the names.
        records: of the output topics, in the order of their commits.
        actions: of the input topic.
        progress: what the service has done.
        available: set false to simulate a log that does not answer.
    """

    topics: WardTopics = field(default_factory=lambda: WardTopics("stays", "risk", "alerts"))
    records: list[WardRecord] = field(default_factory=list)
    actions: list[WrittenAction] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    available: bool = True

    def ask(self) -> Progress:
        """See ``ServiceProgress``."""
        self._check()
        return self.progress

    def append(
        self,
        partition: int,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: int | None,
    ) -> int:
        """See ``ActionLog``."""
        self._check()
        self.actions.append(WrittenAction(partition, key, value, headers, timestamp_ms))
        return len(self.actions) - 1

    def close(self) -> None:
        """See ``ActionLog``."""

    def open(self) -> MemoryWardLog:
        """Connects a board.

        Raises:
            LogUnavailable: the log is switched off.
        """
        self._check()
        return MemoryWardLog(self)

    def _check(self) -> None:
        if not self.available:
            raise LogUnavailable("the memory log is switched off")


class MemoryWardLog:
    """See ``WardLog``; it hardly waits."""

    def __init__(self, ward: MemoryWard) -> None:
        self._ward, self._next = ward, 0

    def load(self, now_ms: int) -> Iterator[Sequence[WardRecord]]:
        """See ``WardLog``."""
        ward = self._ward
        first = {
            ward.topics.stays: 0,
            ward.topics.risk: now_ms - 24 * HOUR_MS,
            ward.topics.alerts: now_ms - 48 * HOUR_MS,
        }
        self._next = end = len(ward.records)
        for topic, since_ms in first.items():
            yield [
                record
                for record in ward.records[:end]
                if record.topic == topic and record.timestamp_ms >= since_ms
            ]

    def poll(self, timeout_s: float) -> Sequence[WardRecord]:
        """See ``WardLog``."""
        if not self._ward.available:
            raise LogUnavailable("the memory log is switched off")
        if self._next == len(self._ward.records):
            time.sleep(min(timeout_s, _LOOK_S))
        begin, self._next = self._next, len(self._ward.records)
        return self._ward.records[begin : self._next]

    def alerts_since(self, since_ms: int) -> Iterator[Sequence[WardRecord]]:
        """See ``WardLog``."""
        yield [
            record
            for record in self._ward.records
            if record.topic == self._ward.topics.alerts and record.timestamp_ms >= since_ms
        ]

    def close(self) -> None:
        """See ``WardLog``."""
