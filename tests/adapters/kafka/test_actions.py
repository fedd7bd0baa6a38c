"""Actions go on after a producer that failed for good, whoever writes them at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kafka.errors import KafkaError

from streamer.adapters.kafka import actions
from streamer.adapters.kafka.actions import KafkaActionLog
from streamer.ports.log import LogUnavailable


class Producer:
    """A producer as far as an action needs it: the first one never recovers."""

    made: list[Producer]
    connecting: threading.Barrier

    def __init__(self, **_configs: Any) -> None:
        self.connecting.wait(10)
        self.is_closed = False
        self.made.append(self)

    def send(self, *_record: Any, **_fields: Any) -> Producer:
        if self is self.made[0]:
            raise KafkaError("a previous idempotent request has failed")
        return self

    def get(self, timeout: float) -> Producer:
        assert timeout > 0
        return self

    @property
    def offset(self) -> int:
        return 7

    def give_up(self) -> None:
        self.is_closed = True


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> KafkaActionLog:
    monkeypatch.setattr(Producer, "made", [], raising=False)
    monkeypatch.setattr(Producer, "connecting", threading.Barrier(1), raising=False)
    monkeypatch.setattr(actions, "BatchProducer", Producer)
    return KafkaActionLog(dict, "vitals")


def act(log: KafkaActionLog) -> int:
    return log.append(0, b"p1", b"{}", [], None)


def test_a_producer_that_has_failed_is_replaced(log: KafkaActionLog) -> None:
    with pytest.raises(LogUnavailable):
        act(log)
    assert (act(log), act(log)) == (7, 7)
    assert [producer.is_closed for producer in Producer.made] == [True, False]
    log.close()
    assert Producer.made[1].is_closed


def test_of_two_that_connect_at_once_one_is_kept(
    log: KafkaActionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LogUnavailable):
        act(log)
    monkeypatch.setattr(Producer, "connecting", threading.Barrier(2))
    with ThreadPoolExecutor(2) as people:
        assert list(people.map(act, [log, log])) == [7, 7]
    assert sorted(producer.is_closed for producer in Producer.made) == [False, True, True]
