"""A proxy before one Kafka broker that can cut connections, hold them up, or lose one answer.

The broker needs a listener whose advertised port is the proxy's, or clients would bypass it after
their first request::

    port = ports.choose(None, "the proxy")
    with LocalStack(stack_ports=StackPorts(kafka_proxy=port)) as stack:
        with KafkaProxy(port, stack.kafka_server.behind_proxy_port) as proxy:
            consumer = KafkaConsumer(bootstrap_servers=proxy.address)   # through it
            other = KafkaConsumer(bootstrap_servers=stack.kafka)        # past it
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from streamer.local.ports import LOOPBACK

# Api keys, https://kafka.apache.org/protocol#protocol_api_keys
END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28

_CONNECT_S: Final = 5.0  # on loopback an answer comes at once or never


@dataclass(eq=False, slots=True)
class _LostReply:
    """One answer that the proxy will lose."""

    api_key: int
    silently: bool
    happened: threading.Event = field(default_factory=threading.Event)


class KafkaProxy:
    """Passes Kafka's frames on, except as its methods say; lives as long as its ``with`` block.

    Args:
        port: loopback port to listen on, the one that the broker advertises.
        broker_port: loopback port of the broker's listener behind it.
    """

    def __init__(self, port: int, broker_port: int) -> None:
        self.port = port
        self._broker_port = broker_port
        self._listener: socket.socket | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()  # of the two fields below
        self._connections: set[_Connection] = set()
        self._losses: list[_LostReply] = []

    @property
    def address(self) -> str:
        """The address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._listener.close()
        self.release()
        self.cut()

    def cut(self) -> None:
        """Breaks every connection that is open now; new ones are accepted."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def hold(self) -> None:
        """Stops passing frames on in both directions; connections stay open."""
        self._flowing.clear()

    def release(self) -> None:
        """Passes on the frames that were held up, and all later ones."""
        self._flowing.set()

    def lose_reply(self, api_key: int, *, silently: bool = False) -> threading.Event:
        """Passes the next request of this kind on, but not its answer.

        The broker has served the request and the client cannot know. Its connection breaks, so
        that it may ask again; with ``silently`` it stays open until the client gives up.

        Returns:
            An event that is set when the answer has been lost.
        """
        loss = _LostReply(api_key, silently)
        with self._lock:
            self._losses.append(loss)
        return loss.happened

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the listener was closed
            try:
                broker = socket.create_connection((LOOPBACK, self._broker_port), _CONNECT_S)
            except OSError:
                client.close()  # no broker: refuse, as its own port would
                continue
            broker.settimeout(None)
            connection = _Connection(client, broker, self._flowing, self._take_loss)
            with self._lock:
                self._connections.add(connection)
            for direction in (connection.pass_requests, connection.pass_replies):
                threading.Thread(
                    target=self._run, args=(connection, direction), daemon=True
                ).start()

    def _run(self, connection: _Connection, direction: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, EOFError):
            direction()
        connection.close()
        with self._lock:
            self._connections.discard(connection)

    def _take_loss(self, api_key: int) -> _LostReply | None:
        with self._lock:
            loss = next((loss for loss in self._losses if loss.api_key == api_key), None)
            if loss is not None:
                self._losses.remove(loss)
        return loss


class _Connection:
    """One client's connection and the one to the broker behind it, a thread for each direction."""

    def __init__(
        self,
        client: socket.socket,
        broker: socket.socket,
        flowing: threading.Event,
        take_loss: Callable[[int], _LostReply | None],
    ) -> None:
        self._client = client
        self._broker = broker
        self._flowing = flowing
        self._take_loss = take_loss
        self._losses: dict[int, _LostReply] = {}  # by correlation id

    def pass_requests(self) -> None:
        """Passes requests on until one end is closed, which raises OSError or EOFError."""
        while True:
            frame = _frame(self._client)
            api_key, _version, correlation = struct.unpack_from(">hhi", frame)
            loss = self._take_loss(api_key)
            if loss is not None:
                self._losses[correlation] = loss
            self._flowing.wait()
            self._broker.sendall(struct.pack(">i", len(frame)) + frame)

    def pass_replies(self) -> None:
        """Passes answers on in the same way; returns when a lost answer breaks the connection."""
        while True:
            frame = _frame(self._broker)
            (correlation,) = struct.unpack_from(">i", frame)
            self._flowing.wait()
            loss = self._losses.pop(correlation, None)
            if loss is None:
                self._client.sendall(struct.pack(">i", len(frame)) + frame)
                continue
            loss.happened.set()
            if not loss.silently:
                return

    def close(self) -> None:
        """Breaks both connections; wakes the threads that read from them."""
        for end in (self._client, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _frame(source: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(source, 4))
    return _exactly(source, size)


def _exactly(source: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
