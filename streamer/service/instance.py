"""Instance name of a process: unique on its host now, and the same after a restart."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import tempfile
from pathlib import Path
from typing import Final, TextIO

_MOST_SLOTS: Final = 1_000

_locks: list[TextIO] = []
"""Open as long as the process lives: the kernel releases the lock when it dies."""


def claim_instance(group: str) -> str:
    """Returns ``host-slot`` with the lowest slot that no living process of the group holds.

    A process that was killed and started again gets its slot back, so that its new producer ends
    the transaction that the old one left open.

    Raises:
        RuntimeError: no slot is free, or the temporary folder cannot be written.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", group)
    folder = Path(tempfile.gettempdir())
    for slot in range(_MOST_SLOTS):
        lock = (folder / f"vigil-{os.getuid()}-{safe}-{slot}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return f"{socket.gethostname()}-{slot}"
    raise RuntimeError(
        f"{_MOST_SLOTS} instances of group {group!r} run on this host; set STREAMER_INSTANCE"
    )
