"""Progress of a long command: a live line on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import threading
import time
from typing import Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streamer.process.terminal import Terminal, say

_PLAIN_LINE_S: Final = 5.0
_LONG_S: Final = 1.0  # shorter work needs no live line


class Report:
    """Reports on standard error for as long as the block lasts.

    Args:
        what: the activity, such as "12 beds".
    """

    def __init__(self, what: str) -> None:
        self._console = Terminal(stderr=True)
        self._what = what
        self._printed_s = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None)
        self._start = threading.Timer(_LONG_S, self._progress.start)
        self._start.daemon = True

    def __enter__(self) -> Report:
        self._start.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._start.cancel()
        self._start.join()
        self._progress.stop()

    def update(self, progress: str) -> None:
        """Shows the progress.

        Args:
            progress: such as "300 messages".
        """
        text = f"{self._what}: {progress}"
        self._progress.update(self._task, description=text)
        if not self._console.is_terminal and time.monotonic() - self._printed_s > _PLAIN_LINE_S:
            self._printed_s = time.monotonic()
            say(text, error=True)
