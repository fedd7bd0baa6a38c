"""The URL of the Redis that `streamer up` runs, shared with this user's other commands.

Its password is drawn at its first start. `streamer up` writes the URL to a file that only its user
can read, and locks the file while it runs: an unlocked file belongs to a stack that has ended.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 6379
_OPEN: Final = f"redis://127.0.0.1:{DEFAULT_PORT}/0"


@contextmanager
def announced(url: str) -> Iterator[None]:
    """Makes a Redis the default of this user's other commands while the block lasts.

    A Redis on another port than the default one is not announced: set REDIS_URL for it.

    Raises:
        OSError: the file cannot be written.
    """
    if not url.endswith(f":{DEFAULT_PORT}/0"):
        yield
        return
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate()
        held.write(url)
        held.flush()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def default_url() -> str:
    """The URL of the Redis on this machine's default port, with its password if it is announced."""
    return _announced() or _OPEN


def is_announced(url: str) -> bool:
    """Whether this URL is that of a Redis that `streamer up` runs now, for this user."""
    return url == _announced()


def _announced() -> str | None:
    with suppress(OSError, RuntimeError), _file().open() as file:  # RuntimeError: no home folder
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # locked: the stack runs
            return file.read() or None
    return None


def _file() -> Path:
    chosen = os.environ.get("XDG_STATE_HOME", "")
    state = Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".local" / "state"
    return state / "vigil" / f"redis-{DEFAULT_PORT}"
