"""Repairs of kafka-python: no commit around a loss, no endless wait, no threads left behind."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata
from kafka.producer.transaction_manager import TransactionalRequestResult

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.options import KafkaOptions, new_producer
from streamer.local import LocalStack
from streamer.ports.log import Interrupted, Output
from tests.support.log_backends import KafkaLogBackend, read, wait_for_partitions
from tests.support.wait import wait_until

DEADLINE_S = 30.0


@pytest.mark.parametrize("lost", ["batch", "offsets", "commit"])
def test_a_transaction_with_a_lost_record_is_not_committed(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """kafka-python would commit around a batch, and wait for answers that never come."""
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        backend.send(0, 2)
        member = backend.member()
        wait_for_partitions(member)
        producer = member._producer
        assert producer is not None
        never = TransactionalRequestResult()
        with monkeypatch.context() as broken:
            if lost == "batch":
                broken.setattr(FutureRecordMetadata, "succeeded", lambda _: False)
                broken.setattr(FutureRecordMetadata, "get", refuse)
            else:
                name = "send_offsets_to_transaction" if lost == "offsets" else "begin_commit"
                broken.setattr(producer._transaction_manager, name, lambda *_: never)
                broken.setitem(producer.config, "max_block_ms", 10)
            with pytest.raises(Interrupted):
                member.transact([backend.output(b"lost")], {0: 2})
        member.recover()
        assert member.committed(0) is None
        member.transact([backend.output(b"again")], {0: 2})
        assert backend.output_values() == [b"again"]


def refuse(*_: object, **__: object) -> None:
    raise KafkaConnectionError


def test_an_admin_client_that_finds_no_broker_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KafkaError):
        TidyAdmin(bootstrap_servers=["127.0.0.1:1"], bootstrap_timeout_ms=300)
    wait_until(lambda: set(threading.enumerate()) <= before, DEADLINE_S, "the end of its thread")


def test_a_producer_that_is_closed_amid_its_work_leaves_no_thread(
    stack: LocalStack, topic_prefix: str
) -> None:
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        options = KafkaOptions(
            backend.connection,
            backend.vitals,
            f"{topic_prefix}g",
            f"{topic_prefix}i",
            [backend.out],
        )
        producer = new_producer(options)
        producer.init_transactions()
        producer.begin_transaction()
        producer._transaction_manager.is_send_to_partition_allowed = lambda _: False
        producer.send_all([Output(backend.out, 0, b"k", b"never", [])])
        with contextlib.suppress(KafkaTimeoutError):
            producer.close(timeout=0)
        sender = producer._sender
        wait_until(lambda: not sender.is_alive(), DEADLINE_S, "the end of its thread")


def test_a_join_that_outlasts_the_poll_is_finished(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the member keeps what it has for ever, and the group gives it up."""
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        member = backend.member()
        owned = set(wait_for_partitions(member))
        backend.add_partition()
        coordinator = member._consumer._coordinator

        def begun() -> bool:
            member._consumer._cluster.request_update()
            assert not member.poll(0.2).gained
            return bool(coordinator.rejoining)

        def joined() -> bool:
            polled = member.poll(0.2)
            owned.difference_update(polled.lost)
            owned.update(polled.gained)
            return owned == {0, 1, 2}

        with monkeypatch.context() as impatient:
            impatient.setattr(coordinator._manager, "wait_for", no_time)
            wait_until(begun, DEADLINE_S, "a join that outlasts its poll")
            wait_until(lambda: coordinator._join_task.is_done, DEADLINE_S, "the brokers' answer")
        wait_until(joined, DEADLINE_S, "owning the partition that was added")
        member.transact([backend.output(b"a")], {2: 0})


@pytest.mark.parametrize("meanwhile", ["out of the group", "in the next generation"])
def test_records_are_committed_in_the_generation_that_assigned_them(
    stack: LocalStack, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """kafka-python may know of another generation before the poll that brings them returns."""
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        backend.send(0, 2)
        sleeper = backend.member()
        wait_for_partitions(sleeper)
        consumer, coordinator = sleeper._consumer, sleeper._consumer._coordinator
        fetch, others = consumer.poll, []

        def expelled_while_fetching(**options: Any) -> Any:
            fetched = fetch(**options)
            if fetched:
                backend.expel()
                others.append(backend.member())
                wait_for_partitions(others[0])
                others[0].transact([backend.output(b"once")], {0: 2})
                coordinator.reset_generation()  # as a refused heartbeat does
                if meanwhile == "in the next generation":
                    for _ in range(2):  # the first answer is an id alone
                        join = coordinator._manager.call_soon(coordinator._do_join_and_sync_async)
                        wait_until(lambda j=join: rejoined(j), DEADLINE_S, "an answer")  # type: ignore[misc]
                    assert coordinator._generation.generation_id > 0
            return fetched

        def rejoined(join: Any) -> bool:
            others[0].poll(0.1)  # lets the other member join, too
            return bool(join.is_done)

        monkeypatch.setattr(consumer, "poll", expelled_while_fetching)
        sleeper.seek(0, 0)
        assert len(read(sleeper, 2)) == 2
        with pytest.raises(Interrupted):
            sleeper.transact([backend.output(b"doubled")], {0: 2})
        assert backend.output_values() == [b"once"]


async def no_time(*_: object) -> None:
    raise KafkaTimeoutError
