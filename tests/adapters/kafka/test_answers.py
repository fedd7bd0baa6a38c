"""A client whose network thread hangs holds up a poll for a limited time, and is replaced."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from streamer.adapters.kafka import log
from streamer.adapters.kafka.answers import PunctualNet
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable, Polled
from tests.support.log_backends import KafkaLogBackend, read, wait_for_partitions
from tests.support.wait import wait_until

DEADLINE_S = 30.0


def test_a_poll_that_does_not_return_is_broken_off_and_another_client_reads_on(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs_until = threading.Event()

    async def hang() -> None:
        hangs_until.wait()

    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        backend.send(0, 2)
        member = backend.member()
        wait_for_partitions(member)
        assert len(read(member, 2)) == 2
        hung = member._consumer
        hung._net.deadline_s = 0.3
        try:
            hung._net.call_soon_threadsafe(hang)
            began = time.monotonic()
            with monkeypatch.context() as soon:
                soon.setattr(log, "_SILENCE_MS", 0)
                with pytest.raises(LogUnavailable, match="has not moved for"):
                    member.poll(0.05)
            assert time.monotonic() - began < 5

            def moved_on() -> Polled | None:
                with contextlib.suppress(LogUnavailable):
                    polled = member.poll(0.05)
                    return polled if polled.lost else None
                return None

            wait_until(moved_on, DEADLINE_S, "the loss of what it had")
            assert member._consumer is not hung
            wait_for_partitions(member)
        finally:
            hangs_until.set()


def test_without_a_network_thread_and_with_an_error_the_answer_is_as_it_was() -> None:
    net = PunctualNet()

    async def fails() -> None:
        raise ValueError("its own error")

    async def answers(value: int) -> int:
        return value

    assert net.run(answers, 3) == 3
    net.start()
    try:
        assert net.run(answers, 4) == 4
        with pytest.raises(ValueError, match="its own error"):
            net.run(fails)
    finally:
        net.stop()
        net.close()
