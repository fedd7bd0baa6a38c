"""Scripts of one key, run together: one round trip a server, on one server or on a Cluster.

redis-py's own pipeline of a Cluster has no scripts. So calls are grouped by the node of their key,
with one plain pipeline a node. A call may reach a node that does not know the script (it restarted,
or was promoted) or does not have the key any more (a slot moved): these calls alone are repeated.
Each call must therefore be one that may be repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from streamer.adapters.redis.client import Client

_ATTEMPTS: Final = 3  # once more for a forgotten script, once more for a slot that moves meanwhile
_ONCE_MORE: Final = (NoScriptError, MovedError, TryAgainError, ClusterDownError)


class Script:
    """A Lua script, known to Redis by its hash.

    Args:
        text: the script; it names one key and may be repeated.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Call(NamedTuple):
    """One call of a script: its key and its arguments."""

    key: str
    arguments: Sequence[bytes | str | int]


def run(client: Client, script: Script, calls: Sequence[Call]) -> list[Any]:
    """Runs a script once for each call; returns the answers in their order.

    Raises:
        RedisError: a server is away or refuses; which calls were done is unknown.
    """
    answers: list[Any] = [None] * len(calls)
    waiting = list(range(len(calls)))
    for attempt in range(_ATTEMPTS):
        again: list[int] = []
        for server, numbers in _by_server(client, calls, waiting):
            forgotten = False
            sent = _send(client, server, script, [calls[number] for number in numbers])
            for number, answer in zip(numbers, sent, strict=True):
                if isinstance(answer, AskError) and not isinstance(answer, MovedError):
                    answer = _ask(client, script, calls[number], answer)  # noqa: PLW2901
                if not isinstance(answer, Exception):
                    answers[number] = answer
                elif isinstance(answer, _ONCE_MORE) and attempt + 1 < _ATTEMPTS:
                    again.append(number)
                    forgotten |= isinstance(answer, NoScriptError)
                else:
                    raise answer
            if forgotten:
                server.script_load(script.text)
        if not again:
            break
        _follow_slots(client)
        waiting = again
    return answers


def _send(client: Client, server: Redis, script: Script, calls: Sequence[Call]) -> list[Any]:
    pipe = server.pipeline(transaction=False)
    for call in calls:
        pipe.evalsha(script.sha, 1, call.key, *call.arguments)
    try:
        return list(pipe.execute(raise_on_error=False))
    except (RedisConnectionError, RedisTimeoutError):
        _follow_slots(client)  # a replica may have been promoted: the next attempt goes to it
        raise


def _ask(client: Client, script: Script, call: Call, error: AskError) -> Any:
    """Sends a call to the node that a slot is being moved to, while its keys move one by one."""
    cluster: Any = client  # redis-py has types for a part of itself
    node = cluster.get_node(error.host, error.port)
    if node is None:
        raise error
    pipe = cluster.get_redis_connection(node).pipeline(transaction=False)
    pipe.script_load(script.text)
    pipe.execute_command("ASKING")
    pipe.evalsha(script.sha, 1, call.key, *call.arguments)
    return pipe.execute(raise_on_error=False)[-1]


def _follow_slots(client: Client) -> None:
    """Asks which node has which slot; where no node answers, the old map stays."""
    if isinstance(client, RedisCluster):
        with contextlib.suppress(RedisError, RedisClusterException):
            client.nodes_manager.initialize()


def _by_server(
    client: Client, calls: Sequence[Call], numbers: Sequence[int]
) -> list[tuple[Redis, list[int]]]:
    """The calls of each server, by their numbers."""
    if not isinstance(client, RedisCluster):
        return [(client, list(numbers))] if numbers else []
    cluster: Any = client
    by_node: dict[str, tuple[Redis, list[int]]] = {}
    for number in numbers:
        node = cluster.get_node_from_key(calls[number].key)
        if node is None:
            raise ClusterDownError(f"no node has the slot of {calls[number].key}")
        if node.name not in by_node:
            by_node[node.name] = (cluster.get_redis_connection(node), [])
        by_node[node.name][1].append(number)
    return list(by_node.values())
