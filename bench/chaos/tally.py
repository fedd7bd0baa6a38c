"""The faults so far, by kind, in the order in which they ended."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it ended, in seconds since the beginning, and its kind."""

    at_s: float
    kind: str


class Tally:
    """Counts faults, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.faults: list[Fault] = []

    def note(self, kind: str) -> None:
        """Adds a fault that really happened."""
        with self._lock:
            self.faults.append(Fault(time.monotonic() - self._began, kind))
