"""Liveness: no partition stands still while every service says that it is ready.

An event is answered when its offset is committed, for risk, rejection and offset are one
transaction; the oracle then looks whether the answer is the right one. The watch counts, for each
partition, the seconds in which records waited, nothing moved, and nobody named a reason: all
services that live said ready, and the broker answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from kafka.errors import KafkaError

_EVERY_S: Final = 1.0


class LivenessWatch(threading.Thread):
    """Watches the committed offsets of a group beside what its services say of themselves.

    Args:
        offsets: the ends and the committed offsets of all partitions; raises KafkaError.
        readiness: what each living service says: ``None`` where it is ready.
    """

    def __init__(
        self,
        offsets: Callable[[], tuple[Sequence[int], Sequence[int]]],
        readiness: Callable[[], Sequence[str | None]],
    ) -> None:
        super().__init__(name="liveness", daemon=True)
        self.error: BaseException | None = None
        self.longest_s = 0.0
        self._offsets, self._readiness = offsets, readiness
        self._stopping = threading.Event()
        self._silent_s: dict[int, float] = {}
        self._committed: Sequence[int] = ()

    def stop(self) -> None:
        """Ends the watch."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Looks every second until ``stop``."""
        try:
            before = time.monotonic()
            while not self._stopping.wait(_EVERY_S):
                now = time.monotonic()
                try:
                    self.look(now - before)
                except KafkaError:
                    self._silent_s.clear()  # the broker was away: everybody waits
                before = now
        except BaseException as error:
            self.error = error

    def look(self, passed_s: float) -> None:
        """Takes one look, ``passed_s`` after the last one."""
        says = self._readiness()
        ends, committed = self._offsets()
        ready = bool(says) and all(word is None for word in says)
        for number, (end, done) in enumerate(zip(ends, committed, strict=True)):
            moved = not self._committed or done != self._committed[number]
            if moved or done >= end:
                self._silent_s[number] = 0.0
            elif ready:
                self._silent_s[number] = self._silent_s.get(number, 0.0) + passed_s
                self.longest_s = max(self.longest_s, self._silent_s[number])
        self._committed = committed
