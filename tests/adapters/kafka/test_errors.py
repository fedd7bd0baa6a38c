from __future__ import annotations

import time

import pytest
from kafka import errors as kafka

from streamer.adapters.kafka import errors
from streamer.ports.log import (
    Interrupted,
    LogNotAllowed,
    LogUnavailable,
    MembershipLost,
    NameTaken,
    TransactionNotAllowed,
)


@pytest.fixture(autouse=True)
def _no_failed_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "recent_failures", lambda _: [])


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (kafka.TopicAuthorizationFailedError("t"), LogNotAllowed, "to use a topic"),
        (kafka.GroupAuthorizationFailedError("g"), LogNotAllowed, "to use the consumer group"),
        (kafka.SaslAuthenticationFailedError("x"), LogNotAllowed, "refuses the connection"),
        (kafka.KafkaTimeoutError("late"), LogUnavailable, "KafkaTimeoutError"),
        (OSError(), LogUnavailable, "Kafka: OSError"),
    ],
)
def test_errors_of_the_client_become_the_ports(
    error: Exception, kind: type[Exception], words: str
) -> None:
    with pytest.raises(LogUnavailable, match=words) as raised, errors.kafka_errors():
        raise error
    assert type(raised.value) is kind


def test_an_error_of_the_program_passes() -> None:
    with pytest.raises(ValueError, match="ours"), errors.kafka_errors():
        raise ValueError("ours")


def test_a_hidden_topic_is_not_a_missing_one() -> None:
    errors.refuse_hidden({"error_code": kafka.UnknownTopicOrPartitionError.errno})
    with pytest.raises(kafka.TopicAuthorizationFailedError, match="vitals"):
        errors.refuse_hidden(
            {"error_code": kafka.TopicAuthorizationFailedError.errno, "name": "vitals"}
        )


@pytest.mark.parametrize(
    ("error", "seconds", "kind"),
    [
        (kafka.IllegalGenerationError(), 0, MembershipLost),
        (kafka.ProducerFencedError(), 0, NameTaken),
        (kafka.ProducerFencedError(), 20, Interrupted),  # given up by the coordinator
        (kafka.TopicAuthorizationFailedError("t"), 0, TransactionNotAllowed),
        (kafka.KafkaTimeoutError(), 0, Interrupted),
    ],
)
def test_the_end_of_a_transaction_is_judged_by_all_its_causes(
    error: Exception, seconds: float, kind: type[Exception]
) -> None:
    began = time.monotonic() - seconds
    outer = kafka.KafkaError("outer")
    outer.__cause__ = error
    assert type(errors.interruption(error, began)) is kind
    if kind is not TransactionNotAllowed:
        assert type(errors.interruption(outer, began)) is kind


@pytest.mark.parametrize(
    "error", [kafka.KafkaError("away"), OSError("closed"), AssertionError("state")]
)
def test_a_client_that_cannot_say_goodbye_is_closed(error: Exception) -> None:
    class Client:
        closed_with: dict[str, int] | None = None

        def close(self, **options: int) -> None:
            self.closed_with = options
            raise error

    client = Client()
    errors.close_quietly(client, timeout=1)
    assert client.closed_with == {"timeout": 1}
    errors.close_quietly(None)
