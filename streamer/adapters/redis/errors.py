"""Translates the errors of redis-py into the port's: away, not allowed, read-only.

The texts name the server, the cause and the way out, and never a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from streamer.adapters import tls
from streamer.ports.states import StoreNotAllowed, StoreReadOnly, StoreSilent, StoreUnavailable

# Of a right that is missing within a script Redis does not say NOPERM.
_IN_A_SCRIPT: Final = ("acl failure in script", "the user executing the script")
_CONNECTING: Final = re.compile(r"connecting to (?P<host>[^\s]+?):(?P<port>\d+)")
_CAUSES: Final = (
    ("name or service not known", "the name {host} cannot be resolved; see the host in REDIS_URL"),
    ("temporary failure in name", "the name {host} cannot be resolved; see the host in REDIS_URL"),
    ("no address associated", "the name {host} cannot be resolved; see the host in REDIS_URL"),
    ("connection refused", "nothing listens at {host}:{port}; see host and port in REDIS_URL"),
    ("no route to host", "there is no way to {host}:{port}; see host and port in REDIS_URL"),
    ("network is unreachable", "there is no way to {host}:{port}; see host and port in REDIS_URL"),
    ("timeout connecting", "no answer: a firewall, a wrong host or port, or no TLS on this port"),
    ("connection reset by peer", "it ends the connection: it may ask for TLS (rediss)"),
    ("connection closed by server", "it ends the connection: it may ask for TLS (rediss)"),
    ("cluster mode is not enabled", "it is no Redis Cluster: write REDIS_URL as redis://HOST:PORT"),
    ("unknown command 'sentinel'", "it is no Sentinel: write REDIS_URL as redis://HOST:PORT/0"),
    ("unknown command", "it may be a Sentinel, whose URL is redis+sentinel://HOST:26379/NAME/0"),
    ("no master found", "the Sentinels know no master that answers"),
)


# A server that has no AUTH (a proxy, a Sentinel) repeats the password in its refusal. Shorter ones
# would be found in words.
_SHORTEST_HIDDEN: Final = 4
_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Keeps a secret out of the texts of all errors from now on."""
    if len(secret) >= _SHORTEST_HIDDEN:
        _hidden.add(secret)


class Demoted(RedisConnectionError):
    """The server is a replica now; the connection to it was ended."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns every error of the Redis client into one of the port's.

    Raises:
        StoreNotAllowed: a user, a password or a right is missing.
        StoreReadOnly: it is a replica.
        StoreUnavailable: any other error.
    """
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> StoreUnavailable:
    text = str(error) or type(error).__name__
    for secret in tuple(_hidden):  # another thread may add one
        text = text.replace(secret, "**********")
    lower = text.lower()
    if isinstance(error, NoPermissionError) or any(words in lower for words in _IN_A_SCRIPT):
        return StoreNotAllowed(f"Redis does not allow it: {text}. See deploy/acl/redis.sh")
    if "noauth" in lower or "authentication required" in lower:
        return StoreNotAllowed(f"Redis asks for a password, and REDIS_URL has none: {text}")
    if isinstance(error, AuthenticationError | AuthorizationError) or "wrongpass" in lower:
        return StoreNotAllowed(f"Redis refuses user or password of REDIS_URL: {text}")
    if isinstance(error, ReadOnlyError | Demoted) or "is now a slave" in lower:
        return StoreReadOnly(
            "Redis: it is a read-only replica. After a failover it passes by itself; otherwise "
            f"set REDIS_URL to the master, or use redis+sentinel:// ({text})"
        )
    if isinstance(error, MovedError):
        return StoreUnavailable(
            f"Redis: a key is on another node ({text}): the URL of a Redis Cluster is "
            "redis+cluster://HOST:PORT"
        )
    kind = StoreSilent if isinstance(error, RedisTimeoutError) else StoreUnavailable
    return kind(f"Redis: {_cause(text)}")


def _cause(text: str) -> str:
    """The client's text with the cause in plain words before it, if it is a known one."""
    address = _CONNECTING.search(text)
    host, port = (address["host"], address["port"]) if address else ("the server", "its port")
    lower = text.lower()
    known = next((ours for theirs, ours in _CAUSES if theirs in lower), None)
    ours = known and known.format(host=host, port=port)
    ours = tls.explain(text, host, "ssl_ca_certs of REDIS_URL") or ours
    return f"{ours} ({text})" if ours else text
