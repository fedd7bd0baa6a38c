from __future__ import annotations

import contextlib

import pytest

from streamer.adapters.redis import server
from streamer.adapters.redis.client import connect
from streamer.local import LocalStack
from streamer.ports.states import StoreUnavailable


def test_version_and_settings_are_read(stack: LocalStack) -> None:
    with contextlib.closing(connect(stack.redis)) as client:
        assert server.info(client)["redis_version"]
        configs = server.configs(client, ["appendfsync", "no-such-setting"])
    assert set(configs) == {"appendfsync"}


def test_a_server_that_is_away_is_an_outage() -> None:
    with (
        contextlib.closing(connect("redis://127.0.0.1:1/0", timeout_s=1)) as client,
        pytest.raises(StoreUnavailable),
    ):
        server.info(client)
