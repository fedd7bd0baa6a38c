"""Atomic writes: a file is either the old or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

_OF_THE_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def write_atomically(file: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside ``file`` and replaces ``file`` by it at the end.

    After an error ``file`` is unchanged.
    """
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with _named(file), new.open("wb") as content:
            yield content
            content.flush()
            os.fsync(content.fileno())
        new.replace(file)
        sync_folder(file.parent)
    finally:
        new.unlink(missing_ok=True)


def unfinished(folder: Path) -> Iterator[Path]:
    """The temporary files of ``write_atomically`` under a folder; killed processes leave them."""
    return folder.rglob(".*.new")


def write_secret_once(file: Path, content: bytes) -> None:
    """Writes a file that only its owner may read; after an error there is none.

    Raises:
        FileExistsError: it is there already, and is left as it is.
    """
    with _named(file), open(file, "xb", opener=partial(os.open, mode=0o600)) as written:
        try:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        except BaseException:
            file.unlink()
            raise


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors of the disk name the file: those of a write do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _OF_THE_DISK:
            error.filename = str(file)
        raise


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk, too: a rename is not there after a crash without it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
