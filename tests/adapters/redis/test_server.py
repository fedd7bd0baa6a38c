from __future__ import annotations

import contextlib

import pytest

from streamer.adapters.redis.client import connect
from streamer.adapters.redis.server import reports
from streamer.local import LocalStack
from streamer.ports.states import StoreUnavailable


def test_version_and_settings_are_read(stack: LocalStack) -> None:
    with contextlib.closing(connect(stack.redis)) as client:
        (report,) = reports(client, ["appendfsync", "no-such-setting"])
    assert report.info["redis_version"]
    assert report.configs == {"appendfsync": "everysec"}


def test_a_server_that_is_away_is_an_outage() -> None:
    with (
        contextlib.closing(connect("redis://127.0.0.1:1/0", timeout_s=1)) as client,
        pytest.raises(StoreUnavailable, match=r"nothing listens at 127\.0\.0\.1:1"),
    ):
        reports(client, [])
