from __future__ import annotations

import threading

import pytest

from streamer.cli import run
from streamer.ports.log import LogUnavailable
from streamer.service.health import Health
from streamer.service.settings import Settings


def test_without_kafka_it_waits_and_notes_the_outage_until_the_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, health, attempts = threading.Event(), Health(), []

    def away(settings: Settings, topics: object) -> None:
        attempts.append((settings, topics))
        if len(attempts) == 2:
            stop.set()
        raise LogUnavailable("Kafka: away")

    monkeypatch.setattr(run, "ensure_topics", away)
    monkeypatch.setattr(run, "_RETRY_S", 0.01)
    assert run._connected(Settings(), health, stop) is None
    assert len(attempts) == 2
    assert [reason.text for reason in health.reasons] == ["waiting for Kafka: away"]
