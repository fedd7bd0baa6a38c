"""The trainer's Redis client."""

from __future__ import annotations

from typing import Final

from redis import Redis

# Redis answers in well under a millisecond; one that rewrites its file may take seconds.
TIMEOUT_S: Final = 10.0


def connect(url: str, faults: list[str]) -> Redis | None:
    """A client that returns bytes and has a timeout; adds a fault if it is not a Redis URL."""
    try:
        return Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except ValueError as error:
        faults.append(f"REDIS_URL: {error}")
        return None
