"""A poll brings what has come by now, not only what had been fetched before."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from kafka.errors import BrokerNotAvailableError

from streamer.adapters.kafka import fresh
from streamer.adapters.kafka.answers import ClientHung
from streamer.local import LocalStack
from tests.support.log_backends import KafkaLogBackend, read, wait_for_partitions
from tests.support.wait import wait_until

DEADLINE_S = 30.0


def test_records_that_have_just_come_are_polled_with_those_that_waited(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh, "_FRESH_MS", 10_000)  # as long as a busy machine needs
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        backend.send(0, 1)
        member = backend.member()
        wait_for_partitions(member)
        assert len(read(member, 1)) == 1
        consumer: Any = member._consumer

        def let_some_wait() -> None:
            member.poll(0)  # asks for what comes next
            backend.send(0, 1)
            wait_until(lambda: consumer.has_waiting, DEADLINE_S, "fetched records")

        let_some_wait()
        backend.send(0, 2)
        polled = member.poll(0.2)
        assert polled.records.offset.tolist() == [1, 2, 3]
        assert polled.positions == {0: 4}

        # What is handed over is not lost where the second look fails.
        for failure in (BrokerNotAvailableError("away"), ClientHung("does not move")):
            let_some_wait()
            position = consumer.known_position(member._tp(0))
            polls: list[int] = []

            def fails_then(
                timeout_ms: int, polls: list[int] = polls, failure: Exception = failure
            ) -> Any:
                polls.append(timeout_ms)
                if len(polls) > 1:
                    raise failure
                return type(consumer).poll(consumer, timeout_ms=timeout_ms)

            with monkeypatch.context() as second:
                second.setattr(consumer, "poll", fails_then)
                assert member.poll(0.2).records.offset.tolist() == [position]
            assert len(polls) == 2
        assert member._is_hung  # the next poll replaces the client
        member._is_hung = False
