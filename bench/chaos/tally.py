"""What has happened so far: faults by kind, in the order in which they were over."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Happened:
    """One fault: when it was over, in seconds since the beginning, and what it was."""

    at_s: float
    kind: str


class Tally:
    """Counts faults, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.happened: list[Happened] = []

    def note(self, kind: str) -> None:
        """Counts a fault that really happened."""
        with self._lock:
            self.happened.append(Happened(time.monotonic() - self._began, kind))
