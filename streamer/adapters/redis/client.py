"""The Redis client that every program uses: one server, Sentinel or Cluster, as its URL says.

It returns bytes, never waits without bound, and tries nothing again by itself: the loops do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, ReadOnlyError
from redis.retry import Retry
from redis.sentinel import Sentinel

from streamer.adapters.redis.errors import Demoted, hide, redis_errors
from streamer.adapters.redis.url import Form, RedisUrl, parse

Arguments = dict[str, Any]  # of a constructor of redis-py

# Redis answers in well under a millisecond. One that is frozen must not hold the loop for longer.
TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 2.0  # a handshake in a hospital's network takes milliseconds

Client: TypeAlias = Redis | RedisCluster


def connect(url: str | Callable[[], str], timeout_s: float = TIMEOUT_S) -> Client:
    """Returns a client; the connection is made by the first command.

    Args:
        url: see ``adapters.redis.url``. A callable is asked again for each connection, so that a
            password may change while the program runs; the hosts stay those of the first answer.
        timeout_s: bound of each answer, in seconds.

    Raises:
        BadUrl: the URL is not one of Redis.
        StoreUnavailable: no node of a Cluster answers.
    """
    read = url if callable(url) else lambda: url
    address = parse(read())
    arguments: Arguments = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(_CONNECT_TIMEOUT_S, timeout_s),
        "retry": Retry(NoBackoff(), 0),
        # Nothing is asked for that is not used: no HELLO, no notices of maintenance, no name of a
        # library. Each would be a right to grant, or a line of ACL LOG.
        "protocol": 2,
        "driver_info": None,
    }
    security = _tls(address)
    credentials: Arguments = {}
    if address.password:
        credentials = {"credential_provider": _Credentials(read, _of_server)}
    match address.form:
        case Form.CLUSTER:
            # Once more: a node that is away makes the client ask who has its slots now.
            arguments["retry"] = Retry(NoBackoff(), 1)
            node: Any = ClusterNode  # redis-py has types for a part of itself
            nodes = [node(host, port) for host, port in address.hosts]
            with redis_errors():
                return RedisCluster(startup_nodes=nodes, **arguments, **security, **credentials)
        case Form.SENTINEL:
            sentinels: Any = Sentinel
            sentinel = sentinels(
                address.hosts, sentinel_kwargs=arguments | security | _at_sentinels(address, read)
            )
            master: Redis = sentinel.master_for(
                address.service, db=address.database, **arguments, **security, **credentials
            )
            return master
        case Form.SOCKET:
            where: Arguments = {
                "path": address.path, "connection_class": UnixDomainSocketConnection,
            }  # fmt: skip
            del arguments["socket_connect_timeout"]
        case Form.SERVER:
            ((host, port),) = address.hosts
            kind = _TlsConnection if address.tls else _PlainConnection
            where = {"host": host, "port": port, "connection_class": kind}
            where |= {name: value for name, value in security.items() if name != "ssl"}
    pool = ConnectionPool(**where, db=address.database, **arguments, **credentials)
    client = Redis(connection_pool=pool)
    client.auto_close_connection_pool = True
    return client


class _Credentials(CredentialProvider):
    """User and password, read from the URL again for each connection."""

    def __init__(
        self, read: Callable[[], str], choose: Callable[[RedisUrl], tuple[str, str]]
    ) -> None:
        self._read = read
        self._choose = choose

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """See redis-py."""
        try:
            username, password = self._choose(parse(self._read()))
        except (OSError, ValueError) as error:
            raise AuthenticationError(f"the file of the URL cannot be used: {error}") from None
        hide(password)
        return (username, password) if username else (password,)


def _of_server(address: RedisUrl) -> tuple[str, str]:
    return address.username, address.password


def _of_sentinels(address: RedisUrl) -> tuple[str, str]:
    return address.sentinel_username, address.sentinel_password


class _LeavesReplicas:
    """Ends a connection that answers READONLY.

    Behind a name that moves, a kept connection to the master of before would answer so for ever.
    Sentinel's own connections do the same.
    """

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """See redis-py."""
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ReadOnlyError as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise Demoted(str(error)) from error


class _PlainConnection(_LeavesReplicas, Connection):
    pass


class _TlsConnection(_LeavesReplicas, SSLConnection):
    pass


def _tls(address: RedisUrl) -> Arguments:
    if address.tls is None:
        return {}
    return {
        "ssl": True,
        "ssl_cert_reqs": "required" if address.verified else "none",
        "ssl_check_hostname": address.verified and address.check_hostname,
        "ssl_ca_certs": address.tls.ca or None,
        "ssl_certfile": address.tls.certificate or None,
        "ssl_keyfile": address.tls.key or None,
    }


def _at_sentinels(address: RedisUrl, read: Callable[[], str]) -> Arguments:
    if address.sentinel_password:
        return {"credential_provider": _Credentials(read, _of_sentinels)}
    return {"username": address.sentinel_username} if address.sentinel_username else {}
