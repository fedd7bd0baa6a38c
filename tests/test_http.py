from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from email.message import Message

import pytest

from streamer.service import metrics
from streamer.service.http import serving


def get(port: int, path: str) -> tuple[int, bytes, Message]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_alive_ready_and_not() -> None:
    reasons = ["waiting for Redis", "partition 3: rebuilding its states"]
    with serving("127.0.0.1", free_port(), lambda: reasons) as port:
        assert port is not None
        assert get(port, "/healthz")[:2] == (200, b"alive\n")
        status, body, headers = get(port, "/readyz")
        assert status == 503
        assert json.loads(body) == {"ready": False, "reasons": reasons}
        assert headers["Content-Type"] == "application/json"
        reasons.clear()
        status, body, _ = get(port, "/readyz")
        assert status == 200
        assert json.loads(body) == {"ready": True, "reasons": []}
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/other")[0] == 404


def test_every_metric_is_told_with_its_sentence() -> None:
    metrics.REJECTED.labels("not_json").inc(0)
    with serving("127.0.0.1", free_port(), list) as port:
        assert port is not None
        status, body, headers = get(port, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    text = body.decode()
    described = {family.name: family.documentation for family in metrics.REGISTRY.collect()}
    assert len(described) >= 15
    for name, sentence in described.items():
        assert f"# HELP {name}" in text
        assert sentence.endswith(".")
    assert 'vigil_rejected_total{reason="not_json"}' in text


def test_port_0_is_off() -> None:
    with serving("127.0.0.1", 0, list) as port:
        assert port is None


def test_the_port_is_free_again_afterwards() -> None:
    chosen = free_port()
    for _ in range(2):
        with serving("127.0.0.1", chosen, list) as port:
            assert port == chosen


def test_a_port_in_use_is_an_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
        serving("127.0.0.1", taken.getsockname()[1], list),
    ):
        pass
