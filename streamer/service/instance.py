"""Instance name of a process: unique on its host now, and the same after a restart."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import socket
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

_MOST_SLOTS: Final = 1_000

_held: list[socket.socket | int] = []
"""Open as long as the process lives: the kernel frees the slot when it dies."""


def claim_instance(group: str) -> str:
    """Returns ``host-slot`` with the lowest slot that no living process of the group holds.

    A process that was killed and started again gets its slot back, so that its new producer ends
    the transaction that the old one left open. On Linux a slot is the name of a socket in the
    kernel: there is no file that could be cleaned away, be full, or be somebody else's.

    Raises:
        RuntimeError: no slot is free, or none can be held.
    """
    safe = hashlib.sha256(group.encode()).hexdigest()[:16]  # a socket's name has 107 bytes
    hold = _hold_name if sys.platform == "linux" else _hold_file
    for slot in range(_MOST_SLOTS):
        if hold(f"vigil-{os.getuid()}-{safe}-{slot}"):
            return f"{socket.gethostname()}-{slot}"
    raise RuntimeError(
        f"no slot is free: {_MOST_SLOTS} instances of group {group!r} run on this host, or "
        f"{tempfile.gettempdir()} cannot be written; set STREAMER_INSTANCE"
    )


def _hold_name(name: str) -> bool:
    """Takes a name among the abstract sockets of Linux, and says whether it was free.

    Raises:
        OSError: this system has none.
    """
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0{name}")
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    _held.append(holder)
    return True


def _hold_file(name: str) -> bool:
    """Locks a file of our own, and says whether it could be: never another one, nor a link."""
    path = Path(tempfile.gettempdir()) / f"{name}.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        lock = os.open(path, flags, 0o600)
        try:
            status = os.fstat(lock)
            if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(path.lstat(), status):  # not cleaned away in between
                    _held.append(lock)
                    return True
        except OSError:
            os.close(lock)
            raise
        os.close(lock)
    return False
