"""Chooses free TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Collection
from contextlib import closing

from streamer.local.errors import LocalStackError

LOOPBACK = "127.0.0.1"

# Below Linux's range for outgoing connections (32768 and up): the port of a server that is down
# for a moment must still be free when it starts again.
_FREE_PORTS = range(20_000, 32_768)
_ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As Kafka and Redis do: connections of a server that has just died do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(port: int | None, server: str) -> int:
    """The port itself if a server can listen on it; for None and 0 any free one.

    Raises:
        LocalStackError: the port is in use, or is not a port number.
    """
    if port:
        if not 0 < port < 65_536:
            raise LocalStackError(f"{port} is not a port number: {server} needs 1 to 65535")
        if not is_free(port):
            raise LocalStackError(
                f"port {port} on {LOOPBACK} is in use (or not allowed), so {server} cannot listen "
                f"there: stop what uses it, or give another port, or 0 for any free one"
            )
        return port
    return choose_other_than((), server)


def choose_other_than(taken: Collection[int | None], server: str) -> int:
    """Any free port except `taken`: those are reserved for servers that do not listen yet.

    Raises:
        LocalStackError: no free port in `_ATTEMPTS` attempts.
    """
    source = random.SystemRandom()  # two stacks that start together must not draw the same ports
    for _ in range(_ATTEMPTS):
        candidate = source.choice(_FREE_PORTS)
        if candidate not in taken and is_free(candidate):
            return candidate
    raise LocalStackError(f"no free port for {server} on {LOOPBACK}: {_ATTEMPTS} were tried")
