"""A command beside this one, for as long as a block lasts."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.local.spawner import spawn

_STOPS_S: Final = 12.0  # the service promises ten
_LOG_SHOWN: Final = 2000  # characters: the last few lines say why


@dataclass
class Child:
    """A command that runs.

    Attributes:
        failed: once the block has ended, whether it ended before that, and not with 0.
    """

    failed: bool = False


@contextmanager
def running_child(
    command: Sequence[str], log: Path, stop: threading.Event, show: Callable[[str], None]
) -> Iterator[Child]:
    """Runs a command until the block ends, or this process is killed.

    Args:
        command: program (absolute path) and arguments.
        log: gets its output.
        stop: set if the command fails: without it the others are of no use.
        show: called with the end of the log if it failed.

    Raises:
        OSError: the program cannot be started.
    """
    with log.open("wb") as output:
        process = spawn(command, Path.cwd(), output)

        def watch() -> None:
            if process.wait():
                stop.set()

        threading.Thread(target=watch, daemon=True).start()
        child = Child()
        try:
            yield child
        finally:
            child.failed = process.poll() not in (None, 0)
            process.terminate()
            try:
                process.wait(_STOPS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if child.failed:
                show(log.read_text(errors="replace")[-_LOG_SHOWN:])
