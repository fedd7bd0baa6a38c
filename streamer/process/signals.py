"""Ctrl-C and SIGTERM as an event, so that a loop ends between two rounds."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C and SIGTERM set, for as long as the block lasts.

    A handler runs in the main thread, between any two of its steps. If it set the event itself, a
    signal that comes while the main thread holds the event's lock would wait for that lock for
    ever. So it leaves a note, which takes no lock, and a thread sets the event.
    """
    stop = threading.Event()
    notes: SimpleQueue[bool] = SimpleQueue()  # its `put` may interrupt itself

    def set_event() -> None:
        if notes.get():
            stop.set()

    def leave_note(_signal: int, _frame: FrameType | None) -> None:
        notes.put(True)

    threading.Thread(target=set_event, name="stop", daemon=True).start()
    before = {s: signal.signal(s, leave_note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        notes.put(False)
