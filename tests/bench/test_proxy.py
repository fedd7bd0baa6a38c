"""The proxy over plain sockets: frames pass, wait, or are lost, as asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from bench.proxy import END_TXN, TXN_OFFSET_COMMIT, KafkaProxy
from streamer.local import ports
from streamer.local.ports import LOOPBACK

DEADLINE_S = 10.0
QUIET_S = 0.2  # long enough for a frame passed on by mistake to arrive


class Broker:
    """Answers every request with its own bytes; records the requests."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.asked: list[tuple[int, int]] = []

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream:
            while head := stream.read(4):
                frame = stream.read(*struct.unpack(">i", head))
                api_key, _, correlation = struct.unpack_from(">hhi", frame)
                self.asked.append((api_key, correlation))
                client.sendall(head + frame[4:8] + frame[:4] + frame[8:])


class Client:
    def __init__(self, proxy: KafkaProxy) -> None:
        self.socket = socket.create_connection((LOOPBACK, proxy.port), DEADLINE_S)

    def ask(self, api_key: int, correlation: int) -> None:
        frame = struct.pack(">hhi", api_key, 0, correlation) + b"body"
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def answer(self) -> int | None:
        """The correlation id of the next answer, None when the connection was broken."""
        try:
            frame = self.socket.recv(16, socket.MSG_WAITALL)
        except ConnectionError:
            return None
        return None if not frame else int(struct.unpack_from(">i", frame, 4)[0])

    def receives_nothing(self) -> bool:
        self.socket.settimeout(QUIET_S)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE_S)
        return False


Setup = tuple[KafkaProxy, Client, Broker]


@pytest.fixture
def setup() -> Iterator[Setup]:
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((LOOPBACK, 0)))
        broker = Broker(listener)
        server = threading.Thread(target=broker.serve)
        server.start()
        opened.callback(server.join)
        opened.callback(listener.shutdown, socket.SHUT_RDWR)
        port = ports.choose(None, "the proxy")
        proxy = opened.enter_context(KafkaProxy(port, listener.getsockname()[1]))
        client = Client(proxy)
        opened.enter_context(closing(client.socket))
        yield proxy, client, broker


def test_requests_and_answers_pass(setup: Setup) -> None:
    _, client, broker = setup
    for correlation in range(3):
        client.ask(0, correlation)
        assert client.answer() == correlation
    assert broker.asked == [(0, 0), (0, 1), (0, 2)]


def test_one_answer_is_lost_and_its_connection_breaks(setup: Setup) -> None:
    proxy, client, broker = setup
    lost = proxy.lose_reply(END_TXN)
    client.ask(TXN_OFFSET_COMMIT, 1)
    assert client.answer() == 1
    assert not lost.is_set()
    client.ask(END_TXN, 2)
    assert client.answer() is None
    assert lost.is_set()
    assert broker.asked[-1] == (END_TXN, 2)
    again = Client(proxy)
    with closing(again.socket):
        again.ask(END_TXN, 3)
        assert again.answer() == 3


def test_one_answer_is_lost_in_silence(setup: Setup) -> None:
    proxy, client, _ = setup
    lost = proxy.lose_reply(END_TXN, silently=True)
    client.ask(END_TXN, 1)
    assert lost.wait(DEADLINE_S)
    client.ask(END_TXN, 2)
    assert client.answer() == 2


def test_held_up_requests_pass_after_release(setup: Setup) -> None:
    proxy, client, broker = setup
    proxy.hold()
    client.ask(0, 1)
    assert client.receives_nothing()
    assert broker.asked == []
    proxy.release()
    assert client.answer() == 1


def test_a_cut_breaks_open_connections_and_accepts_new_ones(setup: Setup) -> None:
    proxy, client, _ = setup
    client.ask(0, 1)
    assert client.answer() == 1
    proxy.cut()
    assert client.answer() is None
    other = Client(proxy)
    with closing(other.socket):
        other.ask(0, 2)
        assert other.answer() == 2
