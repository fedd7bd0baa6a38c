"""The Redis client that every program uses: it returns bytes and never waits without bound."""

from __future__ import annotations

from typing import Final

from redis import Redis

# Redis answers in well under a millisecond; a loaded one that rewrites its AOF may take seconds.
TIMEOUT_S: Final = 10.0


def connect(url: str, timeout_s: float = TIMEOUT_S) -> Redis:
    """Returns a client; the connection is made by the first command.

    Args:
        url: such as ``redis://127.0.0.1:6379/0``.
        timeout_s: bound of connecting, and of each answer, in seconds.

    Raises:
        ValueError: the URL is not one of Redis.
    """
    return Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
