"""Progress of long work: a bar on a terminal, plain lines elsewhere; always on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streamer.datasets.cohort import Progress
from streamer.process.terminal import Terminal, printable

LINE_EVERY_S: Final = 10.0  # often enough to see life in a log, seldom enough to read it


class Reporter:
    """Shows progress and messages to a person or in a log.

    Args:
        console: standard error by default.
        logs: called with the figures of each epoch of a fit.
    """

    def __init__(
        self,
        console: Console | None = None,
        logs: Sequence[Callable[[Mapping[str, float]], None]] = (),
    ) -> None:
        self._console = console or Terminal(stderr=True, soft_wrap=True)
        self._logs = logs

    def say(self, text: str) -> None:
        """Writes a line, above a bar if one is drawn."""
        self._console.print(printable(text), markup=False)

    def note(self, figures: Mapping[str, float]) -> None:
        """Gives the figures of an epoch to the logs."""
        for log in self._logs:
            log(figures)

    @contextmanager
    def follow(self, what: str) -> Iterator[Progress]:
        """Yields a function to be called with (done, total) while ``what`` goes on."""
        if not self._console.is_terminal:
            yield _lines(self, what)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bars(*columns, TimeRemainingColumn(), console=self._console) as bars:
            task = bars.add_task(what, total=None)

            def move(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            yield move


def _lines(reporter: Reporter, what: str) -> Progress:
    started = last_line = time.monotonic()

    def move(done: int, total: int) -> None:
        nonlocal last_line
        now = time.monotonic()
        if now - last_line >= LINE_EVERY_S:
            last_line = now
            left = (now - started) / max(done, 1) * (total - done)
            reporter.say(f"{what}: {done} of {total}, about {left:.0f} s left")

    return move
