"""Reads version, role, persistence and settings of the Redis server (INFO, CONFIG GET)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from streamer.adapters.redis.states import redis_errors


def info(client: Redis) -> Mapping[str, Any]:
    """Returns the answer to INFO: strings and numbers by name.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    with redis_errors():
        answer: Any = client.info()
    return dict(answer)


def configs(client: Redis, names: Sequence[str]) -> dict[str, str]:
    """Returns the answers to CONFIG GET; managed servers may refuse some or all of them."""
    answers: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(RedisError):
            answer: Any = client.config_get(name)
            answers |= answer
    return answers
