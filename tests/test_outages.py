"""Redis and Kafka away for longer than any timeout: the service waits, says so, and goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from streamer.local import LocalStack
from streamer.local.server import Server
from tests.services import ANSWER_DEADLINE_S, Line, service
from tests.waiting import wait_until

# Longer than the session, the transaction, and the time after which a silent broker is away.
AWAY_S = 20.0
STOP_DEADLINE_S = 30.0  # ten are promised; a loaded machine counts more slowly


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def reasons(port: int) -> list[str] | None:
    """Why the service is not ready, ``None`` while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            found = json.load(error)
    except OSError:
        return None
    return [str(reason) for reason in found["reasons"]]


def be_away(server: Server, port: int, says: str) -> None:
    """Keeps a server away for as long as it takes, until the service has said so for a while."""
    began = time.monotonic()
    server.kill()

    def said() -> bool:
        return any(says in reason for reason in reasons(port) or [])

    wait_until(said, ANSWER_DEADLINE_S, f"readiness speaking of {says}")
    wait_until(lambda: time.monotonic() - began > AWAY_S, 2 * AWAY_S, "a long absence")
    assert said()
    server.start()


@pytest.mark.timeout(300)
def test_a_long_absence_is_waited_for(tmp_path: Path, topic_prefix: str) -> None:
    port = free_port()
    with LocalStack() as own, service(own, tmp_path, topic_prefix, http_port=port) as (it, line):
        sent = [line.event("p", time=60_000)]
        line.risk_of(sent[0])
        servers: list[tuple[Server, str]] = [
            (own.redis_server, "Redis"),
            (own.kafka_server, "Kafka"),
        ]
        for minute, (server, says) in enumerate(servers):
            if server is own.redis_server:
                sent.append(line.event("p", time=60_000 * (2 + minute)))
            be_away(server, port, says)
            sent.append(line.event("p", time=60_000 * (12 + minute)))
            line.risk_of(sent[-1])
            wait_until(lambda: reasons(port) == [], ANSWER_DEADLINE_S, "readiness")
        assert spoken(line) == sent, "each once, none missing"
        # A broker that hangs answers nobody, nor refuses: the end comes in time all the same.
        os.kill(own.kafka_server.pid, signal.SIGSTOP)
        os.kill(it.pid, signal.SIGTERM)
        assert it.wait(STOP_DEADLINE_S) == 0
        os.kill(own.kafka_server.pid, signal.SIGCONT)


def spoken(line: Line) -> list[tuple[int, int]]:
    return [(risk["partition"], risk["offset"]) for risk in line.risks]
