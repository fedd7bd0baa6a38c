"""How far a download is: a bar on a terminal, a few plain lines elsewhere."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_STEPS = 4  # a line for each quarter keeps a log short


@contextmanager
def download_progress(
    console: Console, what: str, total_bytes: int
) -> Iterator[Callable[[int], None]]:
    """Show a download; yields a function that is told of each piece, in bytes, from any thread."""
    title = f"Downloading {what} (once)"
    if console.is_terminal:
        columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total_bytes)
            yield lambda n_bytes: bar.advance(task, n_bytes)
        return
    lock = threading.Lock()
    done_bytes = 0
    steps_told = 0
    console.print(f"{title}: {total_bytes / 1e6:.0f} MB", highlight=False)

    def advance(n_bytes: int) -> None:
        nonlocal done_bytes, steps_told
        with lock:
            done_bytes += n_bytes
            steps = min(_PLAIN_STEPS, done_bytes * _PLAIN_STEPS // total_bytes)
            if steps > steps_told:
                steps_told = steps
                console.print(f"{what}: {100 * steps // _PLAIN_STEPS} %", highlight=False)

    yield advance
