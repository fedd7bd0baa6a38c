from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from streamer.adapters.kafka import optional_topics
from streamer.adapters.kafka.optional_topics import OptionalTopics
from streamer.ports.log import Output


class Broker:
    """Says what a user may do with each topic; a hidden one has no partitions."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.rights: dict[str, list[str] | None] = {}
        self.is_away = False
        self.n_asked = 0

    def admin(self, **_: object) -> Broker:
        if self.is_away:
            raise KafkaConnectionError
        self.n_asked += 1
        return self

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        rights = {name: self.rights.get(name, []) for name in names}
        return [
            {"name": n, "partitions": [1] * (n in self.rights), "authorized_operations": operations}
            for n, operations in rights.items()
        ]

    def close(self) -> None:
        pass


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(optional_topics, "TidyAdmin", made.admin)
    return made


@pytest.fixture
def topics(broker: Broker) -> OptionalTopics:
    return OptionalTopics({}, ["a", "b"], lambda: broker.now)


@pytest.mark.parametrize("rights", [["READ", "WRITE"], ["ALL"], None, []])
def test_what_may_be_written_is_kept(
    broker: Broker, topics: OptionalTopics, rights: list[str] | None
) -> None:
    """A broker that says nothing of rights may have none."""
    broker.rights = {"a": rights, "b": ["DESCRIBE", "READ"]}
    topics.ask()
    assert topics.left_out == {"b"}
    outputs = [Output(name, 0, None, b"", []) for name in ("a", "b", "risk")]
    assert [output.topic for output in topics.kept(outputs)] == ["a", "risk"]


def test_a_topic_that_is_missing_or_hidden_is_left_out(
    broker: Broker, topics: OptionalTopics
) -> None:
    broker.rights = {"b": None}
    topics.ask()
    assert topics.left_out == {"a"}


def test_it_is_asked_again_while_something_is_left_out(
    broker: Broker, topics: OptionalTopics
) -> None:
    broker.rights = {"a": None}
    topics.ask()
    for _ in range(100):
        broker.now += 0.25
        topics.ask_again()
    assert broker.n_asked == 1 + 2
    broker.is_away = True
    broker.now += 60
    topics.ask_again()
    assert topics.left_out == {"b"}, "without an answer it stays as it was"
    broker.is_away, broker.rights["b"] = False, ["WRITE"]
    broker.now += 60
    topics.ask_again()
    assert not topics.left_out
    n_asked = broker.n_asked
    broker.now += 60
    topics.ask_again()
    assert broker.n_asked == n_asked


def test_without_such_topics_nobody_is_asked(broker: Broker) -> None:
    OptionalTopics({}, []).ask()
    assert not broker.n_asked
