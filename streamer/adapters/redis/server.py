"""Reads version, role, persistence and settings of the Redis servers (INFO, CONFIG GET)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from streamer.adapters.redis.client import Client
from streamer.adapters.redis.errors import redis_errors


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server says of itself.

    Attributes:
        name: host:port of a node of a Cluster; empty where there is one server.
        info: its answer to INFO, strings and numbers by name.
        configs: its answers to CONFIG GET; managed servers may refuse some or all of them.
    """

    name: str
    info: Mapping[str, Any]
    configs: Mapping[str, str]


def reports(client: Client, configs: Sequence[str]) -> list[ServerReport]:
    """Asks the server that a client writes to; in a Cluster, each of them.

    Args:
        client: the client.
        configs: names of settings.

    Raises:
        StoreUnavailable: one does not answer, or does not allow INFO.
    """
    if not isinstance(client, RedisCluster):
        return [_report("", client, configs)]
    cluster: Any = client  # redis-py has types for a part of itself
    return [
        _report(str(node.name), cluster.get_redis_connection(node), configs)
        for node in cluster.get_primaries()
    ]


def _report(name: str, server: Redis, configs: Sequence[str]) -> ServerReport:
    with redis_errors():
        info: Any = server.info()
    answers: dict[str, str] = {}
    for config in configs:
        with contextlib.suppress(RedisError):
            answer: Any = server.config_get(config)
            answers |= {_text(key): _text(value) for key, value in answer.items()}
    return ServerReport(name, dict(info), answers)


def _text(content: bytes | str) -> str:
    return content.decode() if isinstance(content, bytes) else content
