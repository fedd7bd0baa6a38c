"""Why brokers cannot be reached: kafka-python's connections, watched, with the causes in words.

kafka-python tries again for ever, writes the cause to its log alone, and raises "unable to
bootstrap" in the end. There is no hook for a connection, so importing this module wraps the one
method that makes them: it notes how each attempt ended, by the address of the broker, and reads a
password from its file before each.
"""

from __future__ import annotations

import functools
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from kafka.cluster import ClusterMetadata
from kafka.errors import (
    AuthorizationError,
    IllegalSaslStateError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport

from streamer.adapters import tls

# A client tries again within two seconds (`reconnect_backoff_max_ms`), or ten by its own default.
_RECENT_S: Final = 30.0
_MOST_BROKERS: Final = 64
_CA: Final = "STREAMER_KAFKA_SSL_CAFILE"
# kafka-python's words, and ours.
_CAUSES: Final = (
    ("DNS", "the name {host} cannot be resolved"),
    ("ECONNREFUSED", "nothing listens on this port"),
    ("timed out", "no answer: a firewall, or a wrong host or port"),
    ("Timeout", "no answer: a firewall, or a wrong host or port"),
    ("EHOSTUNREACH", "there is no way to this address"),
    ("ENETUNREACH", "there is no way to this address"),
)
_PROTOCOL: Final = "STREAMER_KAFKA_SECURITY_PROTOCOL"


class EndedDuringAuthentication(SaslAuthenticationFailedError):  # type: ignore[misc]
    """The connection ended while user and password were checked, and the reason did not arrive."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt to connect to a broker failed.

    Attributes:
        host: name or address of the broker.
        port: its port.
        is_bootstrap: whether the address is that of a setting; else a broker gave it.
        protocol: the client's security protocol.
        error: the client's error.
        at: seconds of the monotonic clock.
    """

    host: str
    port: int
    is_bootstrap: bool
    protocol: str
    error: Exception
    at: float

    @property
    def refuses_access(self) -> bool:
        """Whether the broker answers and refuses user, password or mechanism."""
        kinds = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError, AuthorizationError)
        return isinstance(self.error, kinds)

    def __str__(self) -> str:
        """Which broker, what failed, and whose setting it is."""
        source = "KAFKA_BOOTSTRAP_SERVERS" if self.is_bootstrap else "the broker's own answer"
        text = f"{self.host}:{self.port} (from {source}): {self._cause}"
        if not self.is_bootstrap and not self.refuses_access:
            text += (
                ". KAFKA_BOOTSTRAP_SERVERS is right: the broker sends its clients on to this "
                "address, which is its setting advertised.listeners"
            )
        return text

    @property
    def _cause(self) -> str:
        text = str(self.error)
        if isinstance(self.error, IllegalSaslStateError):
            other = self.protocol.removeprefix("SASL_")
            return f"it asks for no password on this port: set {_PROTOCOL} to {other} ({text})"
        if isinstance(self.error, UnsupportedSaslMechanismError):
            return f"it does not offer this mechanism; see STREAMER_KAFKA_SASL_MECHANISM ({text})"
        if isinstance(self.error, EndedDuringAuthentication):
            return (
                "it refuses user, password, token or mechanism: it ends the connection while they "
                f"are checked; see STREAMER_KAFKA_SASL_MECHANISM ({text})"
            )
        if self.refuses_access:
            return f"it refuses user, password or token ({text})"
        for theirs, ours in _CAUSES:
            if theirs in text:
                return ours.format(host=self.host)
        return tls.explain(text, self.host, _CA) or self._of_protocol(text)

    def _of_protocol(self, text: str) -> str:
        if re.search(r"disconnected|reset|closed|Broken pipe|frame length", text, re.IGNORECASE):
            if self.protocol.startswith("SASL"):  # some brokers say no more to a mechanism
                other, setting = " or mechanism", "STREAMER_KAFKA_SASL_MECHANISM and "
            else:
                other = setting = ""
            return (
                f"it ends the connection: it may speak another protocol{other} than "
                f"{self.protocol}; see {setting}{_PROTOCOL} ({text})"
            )
        return text or type(self.error).__name__


_failures: dict[tuple[str, int], Failure] = {}
_lock: Final = threading.Lock()


def recent_failures(since: float) -> list[Failure]:
    """Brokers whose last attempt of a connection failed, the last one first.

    Args:
        since: seconds of the monotonic clock. Failures since then are returned; where there is
            none, those of the last half minute.
    """
    now = time.monotonic()
    with _lock:
        recent = [f for f in _failures.values() if now - f.at < _RECENT_S]
    recent.sort(key=lambda failure: -failure.at)
    return [failure for failure in recent if failure.at >= since] or recent


def _note(manager: KafkaConnectionManager, node: Any, error: Exception | None) -> None:
    address = (str(node.host), int(node.port))
    with _lock:
        before = _failures.pop(address, None)
        if error is None or manager.closed:
            return
        if before is not None and _clearness(error) < _clearness(before.error):
            error = before.error
        while len(_failures) >= _MOST_BROKERS:
            _failures.pop(next(iter(_failures)))
        is_bootstrap = manager.cluster.is_bootstrap(node.node_id)
        protocol = str(manager.config["security_protocol"])
        _failures[address] = Failure(*address, is_bootstrap, protocol, error, time.monotonic())


def _clearness(error: Exception) -> int:
    """How much an error says: the end of the client's patience cuts off an attempt, and the end of
    the connection may overtake the broker's reason."""
    if isinstance(error, EndedDuringAuthentication):
        return 1
    return 0 if re.search(r"timed out|timeout|disconnected", str(error).lower()) else 2


def _watch(connect: Any) -> Any:
    @functools.wraps(connect)
    async def watched(
        self: KafkaConnectionManager, node: Any, conn: Any, *args: Any, **named: Any
    ) -> None:
        conn.init_future.add_callback(lambda _: _note(self, node, None))
        conn.init_future.add_errback(lambda error: _note(self, node, error))
        authenticate = conn._sasl_authenticate

        async def authenticated(*args: Any) -> None:
            try:
                await authenticate(*args)
            except Exception as error:
                # The end of the connection, which comes with the broker's answer, is noted already.
                if "disconnected" in str(error):
                    error = EndedDuringAuthentication(str(error))
                _note(self, node, error)
                raise

        conn._sasl_authenticate = authenticated
        password = conn.config["sasl_plain_password"]
        if callable(password):
            try:
                conn.config["sasl_plain_password"] = password()
            except (OSError, ValueError) as error:
                refused = SaslAuthenticationFailedError(f"the file of the password: {error}")
                conn.close(refused)
                return
        await connect(self, node, conn, *args, **named)

    return watched


def _tidy(handshake: Any) -> Any:
    @functools.wraps(handshake)
    async def tidy(self: KafkaSSLTransport) -> None:
        try:
            await handshake(self)
        except BaseException:
            self._sock.close()  # kafka-python leaves it open, one at each attempt
            raise

    return tidy


# kafka-python's option `allow_auto_create_topics` does not reach its requests for metadata: readers
# would create the topics that they look for.
ClusterMetadata.DEFAULT_CONFIG["allow_auto_create_topics"] = False
if not hasattr(KafkaConnectionManager._connect, "__wrapped__"):
    KafkaConnectionManager._connect = _watch(KafkaConnectionManager._connect)
    KafkaSSLTransport.handshake = _tidy(KafkaSSLTransport.handshake)
