"""Starts child processes that cannot outlive this one.

Linux sends a child its parent-death signal when the *thread* that started it ends, not only when
the process does. All children are therefore started by one thread that lives as long as the
process, so that a stack may be started from any thread.
"""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from streamer.process.die_with_parent import tied_to_this_process


class _Spawner:
    """The one thread of this process that starts children."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take a new thread: a forked copy of this process has none."""
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-spawner")


_SPAWNER = _Spawner()
os.register_at_fork(after_in_child=_SPAWNER.renew)


def spawn(
    command: Sequence[str], folder: Path, output: IO[bytes], held: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; it is killed when this process ends.

    In a group of its own it does not receive the Ctrl-C of a terminal: its starter stops it in
    order. `Popen.pid` is the process id of the command itself.

    Args:
        command: program (absolute path) and arguments.
        folder: the working directory.
        output: gets standard output and error.
        held: file descriptors that the child keeps open, so that a lock on one of them lasts until
            the child, too, has ended.

    Raises:
        OSError: the program cannot be started.
    """
    command = tied_to_this_process(command)
    # A Java in the C locale cannot open a path that is not ASCII.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=held,
            umask=0o077,  # only the owner may read data and logs
        )

    started = _SPAWNER.thread.submit(start)
    try:
        return started.result()
    except BaseException:  # Ctrl-C while waiting: the child may come to life after it
        started.add_done_callback(_kill)
        raise


def _kill(started: Future[subprocess.Popen[bytes]]) -> None:
    if not started.cancelled() and started.exception() is None:
        process = started.result()
        process.kill()
        process.wait()
