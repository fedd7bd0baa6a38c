"""Large answers are read to their end in few calls; faults are said in kafka-python's words."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net import manager
from kafka.net.transport import KafkaTCPTransport
from kafka.protocol import parser

from streamer.adapters.kafka.large_answers import READ_BYTES, AnswerBytes, LargeReads

Ends = tuple[socket.socket, LargeReads]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The broker's end of a connection, and the transport that reads the other."""
    broker, client = socket.socketpair()
    with broker, client:
        broker.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * READ_BYTES)
        client.setblocking(False)
        yield broker, LargeReads(None, client)


@pytest.mark.parametrize("size", [1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES])
def test_all_that_the_socket_has_is_read(ends: Ends, size: int) -> None:
    broker, transport = ends
    content = bytes(i % 251 for i in range(size))
    broker.sendall(content)
    assert transport._sock_recv() == (content, None)
    assert transport._sock_recv() == (b"", None)


def test_few_calls_are_needed() -> None:
    waiting = [bytes(READ_BYTES), bytes(READ_BYTES), b"rest"]
    sock = Mock(recv=Mock(side_effect=waiting))
    content, fault = LargeReads(None, sock)._sock_recv()
    assert (len(content), fault, sock.recv.call_count) == (2 * READ_BYTES + 4, None, 3)


def test_the_end_of_a_connection_comes_after_its_last_bytes(ends: Ends) -> None:
    broker, transport = ends
    broker.sendall(b"last")
    broker.close()
    assert transport._sock_recv() == (b"last", None)
    content, fault = transport._sock_recv()
    theirs = KafkaTCPTransport._sock_recv(transport)
    assert (content, repr(fault)) == (theirs[0], repr(theirs[1]))
    assert isinstance(fault, KafkaConnectionError)


def test_a_fault_of_the_socket_is_one_of_the_connection() -> None:
    sock = Mock(recv=Mock(side_effect=[bytes(READ_BYTES), ConnectionResetError("reset")]))
    content, fault = LargeReads(None, sock)._sock_recv()
    assert len(content) == READ_BYTES
    assert isinstance(fault, KafkaConnectionError)


def test_a_socket_that_is_gone_is_a_fault_as_well() -> None:
    content, fault = LargeReads(None, None)._sock_recv()
    assert content == b""
    assert isinstance(fault, KafkaConnectionError)


def test_an_answer_is_read_in_parts_and_to_its_end() -> None:
    answer = AnswerBytes(6)
    answer.write(b"abcdef")
    answer.seek(1)
    assert (answer.read(2), answer.tell(), answer.read(), answer.read(9)) == (b"bc", 3, b"def", b"")
    assert answer.tell() == 6


def test_every_client_reads_so() -> None:
    assert manager.KafkaTCPTransport is LargeReads
    assert parser.KafkaBytes is AnswerBytes
