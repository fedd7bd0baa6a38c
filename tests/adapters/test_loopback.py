from __future__ import annotations

import pytest

from streamer.adapters.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.3.2.1", True), ("::1", True), ("LOCALHOST", True), ("a.localhost", True),
        ("10.0.0.1", False), ("localhost.example", False), ("", False),
    ],
)  # fmt: skip
def test_this_machine_is_known(host: str, local: bool) -> None:
    assert is_loopback(host) is local
