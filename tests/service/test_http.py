from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from email.message import Message

import pytest

from streamer.core.codec import Era
from streamer.ports.states import StoreUnavailable
from streamer.service import metrics
from streamer.service.health import STUCK_S, Health
from streamer.service.http import serving
from streamer.service.takeover import BlockedPartition, Partition


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
    health = Health()
    rebuilt = Partition(3, 1, 10, 10, 110, "log", Era("model"))
    with serving("127.0.0.1", free_port(), health) as port:
        assert port is not None
        status, body, headers = get(port, "/healthz")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert set(json.loads(body)) == {"alive", "loop_age_seconds"}
        assert json.loads(body)["alive"] is True
        health.observe([rebuilt], {1: BlockedPartition("its log is another one", 0, 0)})
        health.note_outage(StoreUnavailable("Redis: away"))
        status, body, headers = get(port, "/readyz")
        assert (status, headers["Content-Type"]) == (503, "application/json")
        answer = json.loads(body)
        assert answer["ready"] is False
        assert [(r["kind"], r["says"]) for r in answer["reasons"]] == [
            ("waiting", "waiting for Redis: away"),
            ("refused", "its log is another one"),
            ("rebuilding", "rebuilding its states"),
        ]
        assert [r.get("partition") for r in answer["reasons"]] == [None, 1, 3]
        assert answer["reasons"][0]["waiting_on"] == "store"
        assert answer["reasons"][2]["progress"]["total"] == 100
        assert all(re.fullmatch(r"20\d\d-.*T.*Z", r["since"]) for r in answer["reasons"])
        assert get(port, "/healthz")[0] == 200, "waiting is no reason for a restart"
        rebuilt.position = 110
        health.observe([rebuilt], {})
        status, body, _ = get(port, "/readyz?verbose")
        assert status == 200
        assert json.loads(body) == {"ready": True, "reasons": []}
        assert get(port, "/other")[0] == 404


def test_a_stuck_loop_is_not_healthy() -> None:
    now = [1_800_000_000.0]
    with serving("127.0.0.1", free_port(), Health(monotonic=lambda: now[0])) as port:
        assert port is not None
        now[0] += STUCK_S + 1
        status, body, _ = get(port, "/healthz")
        assert status == 503
        assert json.loads(body) == {"alive": False, "loop_age_seconds": STUCK_S + 1}
        status, body, _ = get(port, "/readyz")
        assert status == 503
        assert json.loads(body)["reasons"][0]["kind"] == "stuck"


def test_a_probe_may_ask_for_the_head_alone() -> None:
    with serving("127.0.0.1", free_port(), Health()) as port:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/healthz", method="HEAD")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"")


def test_metrics_are_served_as_prometheus_reads_them() -> None:
    metrics.REJECTED.labels("not_json").inc(0)
    with serving("127.0.0.1", free_port(), Health()) as port:
        assert port is not None
        status, body, headers = get(port, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert 'vigil_rejected_total{reason="not_json"}' in body.decode()


def test_port_0_is_off() -> None:
    with serving("127.0.0.1", 0, Health()) as port:
        assert port is None


def test_the_port_is_free_again_afterwards() -> None:
    chosen = free_port()
    for _ in range(2):
        with serving("127.0.0.1", chosen, Health()) as port:
            assert port == chosen


def test_a_port_in_use_is_an_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
        serving("127.0.0.1", taken.getsockname()[1], Health()),
    ):
        pass
