"""How far a long command is: a line that moves on a terminal, elsewhere one now and then."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_PLAIN_LINE_S: Final = 5.0


class Report:
    """Reports on standard error for as long as the block lasts.

    Args:
        what: is being done.
    """

    def __init__(self, what: str) -> None:
        self._console = Console(stderr=True)
        self._what = what
        self._said_s = time.monotonic()
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

    def __enter__(self) -> Report:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, how_far: str) -> None:
        """Says how far it is."""
        text = f"{self._what}: {how_far}"
        self._progress.update(self._task, description=text)
        if not self._console.is_terminal and time.monotonic() - self._said_s > _PLAIN_LINE_S:
            self._said_s = time.monotonic()
            self._console.print(text)
