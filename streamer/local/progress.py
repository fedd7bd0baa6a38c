"""Progress of a download: a bar on a terminal, a few plain lines elsewhere."""

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
    """Show a download; yields a thread-safe function to call with the bytes of each piece."""
    title = f"Downloading {what} (once)"
    if console.is_terminal:
        columns = (TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total_bytes)
            yield lambda n_bytes: bar.advance(task, n_bytes)
        return
    lock = threading.Lock()
    done_bytes = 0
    printed_steps = 0
    console.print(f"{title}: {total_bytes / 1e6:.0f} MB", highlight=False)

    def advance(n_bytes: int) -> None:
        nonlocal done_bytes, printed_steps
        with lock:
            done_bytes += n_bytes
            steps = min(_PLAIN_STEPS, done_bytes * _PLAIN_STEPS // total_bytes)
            if steps > printed_steps:
                printed_steps = steps
                console.print(f"{what}: {100 * steps // _PLAIN_STEPS} %", highlight=False)

    yield advance
