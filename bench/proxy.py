"""A network between clients and one Kafka broker that can be cut, held up, or lose one answer.

The broker needs a listener whose advertised port is the proxy's, or clients would go past it after
their first question::

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

_CONNECT_S: Final = 5.0  # loopback answers at once, or nobody listens


@dataclass(eq=False, slots=True)
class _Loss:
    """One answer that is to be lost."""

    api_key: int
    silently: bool
    happened: threading.Event = field(default_factory=threading.Event)


class KafkaProxy:
    """Passes Kafka's frames on, until told otherwise; lives as long as its ``with`` block.

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
        self._lock = threading.Lock()  # of what follows
        self._lines: set[_Line] = set()
        self._losses: list[_Loss] = []

    @property
    def address(self) -> str:
        """Where clients connect, as `host:port`."""
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
        """Breaks every connection that is open now; new ones are let in."""
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            line.close()

    def hold(self) -> None:
        """Stops passing anything on, either way, and keeps connections open."""
        self._flowing.clear()

    def release(self) -> None:
        """Goes on with what was held up."""
        self._flowing.set()

    def lose_reply(self, api_key: int, *, silently: bool = False) -> threading.Event:
        """Passes the next request of this kind on, and never its answer.

        The broker has done what it was asked and the client cannot know. Its connection breaks,
        so that it may ask again; ``silently``, it stays open until the client gives up.

        Returns:
            What is set when the answer has been lost.
        """
        loss = _Loss(api_key, silently)
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
                client.close()  # no broker: as if nobody listened here either
                continue
            broker.settimeout(None)
            line = _Line(client, broker, self._flowing, self._loss_of)
            with self._lock:
                self._lines.add(line)
            for way in (line.pass_requests, line.pass_replies):
                threading.Thread(target=self._run, args=(line, way), daemon=True).start()

    def _run(self, line: _Line, way: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, EOFError):
            way()
        line.close()
        with self._lock:
            self._lines.discard(line)

    def _loss_of(self, api_key: int) -> _Loss | None:
        with self._lock:
            loss = next((loss for loss in self._losses if loss.api_key == api_key), None)
            if loss is not None:
                self._losses.remove(loss)
        return loss


class _Line:
    """One client's connection and the one to the broker behind it, a thread each way."""

    def __init__(
        self,
        client: socket.socket,
        broker: socket.socket,
        flowing: threading.Event,
        loss_of: Callable[[int], _Loss | None],
    ) -> None:
        self._client = client
        self._broker = broker
        self._flowing = flowing
        self._loss_of = loss_of
        self._losses: dict[int, _Loss] = {}  # by correlation id

    def pass_requests(self) -> None:
        """Passes requests on until one end is closed, which raises OSError or EOFError."""
        while True:
            frame = _frame(self._client)
            api_key, _version, correlation = struct.unpack_from(">hhi", frame)
            loss = self._loss_of(api_key)
            if loss is not None:
                self._losses[correlation] = loss
            self._flowing.wait()
            self._broker.sendall(struct.pack(">i", len(frame)) + frame)

    def pass_replies(self) -> None:
        """Passes answers on in the same way; returns when one was lost that breaks the line."""
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
