"""Atomic writes: a file is either the old or the new one, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def write_atomically(file: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside ``file`` and replaces ``file`` by it at the end.

    After an error ``file`` is unchanged.
    """
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as content:
            yield content
            content.flush()
            os.fsync(content.fileno())
        new.replace(file)
        sync_folder(file.parent)
    finally:
        new.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk, too: a rename is not there after a crash without it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
