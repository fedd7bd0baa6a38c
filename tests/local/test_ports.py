"""Loopback ports."""

import socket

import pytest

from streamer.local import LocalStackError, ports


def test_a_port_in_use_is_refused_with_its_number() -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
        with pytest.raises(LocalStackError, match=rf"port {port} on 127\.0\.0\.1 is in use"):
            ports.choose(port, "Redis")
    assert ports.is_free(port)
    assert ports.choose(port, "Redis") == port


@pytest.mark.parametrize("port", [-1, 65_536])
def test_other_numbers_than_ports_are_refused(port: int) -> None:
    with pytest.raises(LocalStackError, match="not a port number"):
        ports.choose(port, "Kafka")


@pytest.mark.parametrize("any_port", [None, 0])
def test_any_port_is_a_free_one_outside_the_range_of_outgoing_connections(
    any_port: int | None,
) -> None:
    port = ports.choose(any_port, "Kafka")
    assert 20_000 <= port < 32_768
    assert ports.is_free(port)
