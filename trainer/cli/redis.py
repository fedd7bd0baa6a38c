"""The trainer's connection to Redis, with a wrong URL as one fault among others."""

from __future__ import annotations

from redis import Redis

from streamer.adapters.redis import client


def connect(url: str, faults: list[str]) -> Redis | None:
    """Returns a client; a URL that cannot be one is added to ``faults`` and gives ``None``."""
    try:
        return client.connect(url)
    except ValueError as error:
        faults.append(f"REDIS_URL: {error}")
        return None
