"""Ctrl-C and SIGTERM as an event, so that a loop ends between two rounds."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C and SIGTERM set, for as long as the block lasts."""
    stop = threading.Event()

    def set_event(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {s: signal.signal(s, set_event) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
