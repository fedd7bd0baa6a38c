"""The trainer's connection to Redis, with a wrong URL as one fault among others."""

from __future__ import annotations

from collections.abc import Callable

from streamer.adapters.redis import client
from streamer.adapters.redis.client import Client


def connect(url: Callable[[], str], faults: list[str]) -> Client | None:
    """A client that returns bytes and has a timeout; adds a fault if it is not a Redis URL.

    Raises:
        StoreUnavailable: no node of a Cluster answers.
    """
    try:
        return client.connect(url)
    except ValueError as error:
        faults.append(f"REDIS_URL: {error}")
        return None
