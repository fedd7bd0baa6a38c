from __future__ import annotations

import contextlib
import socket
import time

import pytest
from redis.exceptions import RedisError

from streamer.adapters.redis.client import connect


def test_the_wait_for_a_silent_server_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with contextlib.closing(connect(url, timeout_s=0.2)) as client:
            began = time.monotonic()
            with pytest.raises(RedisError):
                client.ping()
    assert time.monotonic() - began < 10


def test_a_url_of_another_scheme_is_an_error() -> None:
    with pytest.raises(ValueError, match="redis"):
        connect("http://127.0.0.1")
