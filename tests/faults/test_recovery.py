"""Transactions that a broker forgot to end are ended by the next producer of the same name.

Brokers forget by a race while they start (docs/decisions/019). Here they never learn of it: records
and offsets are sent as parts of a transaction that the coordinator does not know, which a broker
accepts as long as it does not verify them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, TransactionState
from kafka.cluster import ClusterMetadata
from kafka.errors import KafkaTimeoutError
from kafka.producer.transaction_manager import TransactionalRequestResult, TxnOffsetCommitHandler
from kafka.structs import OffsetAndMetadata

from streamer.adapters.kafka import log
from streamer.adapters.kafka.dead_letters import DeadLetterReplayer, RejectedOptions, RejectedTopic
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local import LocalStack
from streamer.ports.log import LogUnavailable, Output
from tests.support.log_backends import KafkaLogBackend, wait_for_partitions
from tests.support.wait import wait_until

ENDED = {"commit": TransactionState.COMPLETE_COMMIT, "abort": TransactionState.COMPLETE_ABORT}
WAIT_S = 10.0
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def credulous() -> Iterator[LocalStack]:
    """A stack whose broker accepts any record that claims to belong to a transaction."""
    with LocalStack() as own:
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=[own.kafka])) as admin:
            setting = {"transaction.partition.verification.enable": "false"}
            admin.alter_configs([ConfigResource("BROKER", "1", configs=setting)])
        yield own


@pytest.fixture
def backend(credulous: LocalStack, topic_prefix: str) -> Iterator[KafkaLogBackend]:
    with contextlib.closing(KafkaLogBackend(credulous, topic_prefix)) as backend:
        backend.send(0, 5)
        yield backend


def leave_open(
    backend: KafkaLogBackend,
    producer: BatchProducer,
    output: Output,
    offsets: Mapping[TopicPartition, int],
    membership: Any = None,
) -> None:
    """Sends parts of a transaction that the coordinator does not know, and dies."""
    manager = producer._transaction_manager
    name = manager.transactional_id
    with contextlib.closing(KafkaAdminClient(**backend.connection)) as admin:
        # An end is answered before its markers are written: they must not end this one, too.
        def at_rest() -> bool:
            state = admin.describe_transactions([name])[name].state
            return state in (TransactionState.EMPTY, *ENDED.values())

        wait_until(at_rest, DEADLINE_S, "the end of the transaction before")
    producer.begin_transaction()
    tp = TopicPartition(output.topic, output.partition)
    manager._partitions_in_transaction.add(tp)
    (future,) = producer._queue(tp, [output], int(time.time() * 1000))
    producer._sender.wakeup()
    producer.flush(WAIT_S)
    assert future.succeeded()
    if offsets:
        manager._pending_txn_offset_commits.update(
            {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
        )
        pending = manager._pending_txn_offset_commits
        sent = TransactionalRequestResult()
        manager._enqueue_request(TxnOffsetCommitHandler(manager, membership, pending, sent))
        producer._wait_for(sent, "offsets")
    producer.close(timeout=0)


@pytest.mark.parametrize("ended", ENDED)
def test_a_transaction_whose_end_was_forgotten_ends_as_it_should_have(
    backend: KafkaLogBackend, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    member = backend.member()
    wait_for_partitions(member)
    member.transact([backend.output(b"before")], {0: 1})
    producer = member._producer
    assert producer is not None
    if ended == "abort":
        producer.begin_transaction()
        producer.send_all([backend.output(b"taken back")])
        producer.flush(WAIT_S)
        producer.abort_transaction()
    vitals = TopicPartition(backend.vitals, 0)
    leave_open(backend, producer, backend.output(b"open"), {vitals: 2}, member._membership)
    with monkeypatch.context() as hurried:
        hurried.setattr(log, "_OWN_AFTER_S", -1.0)
        # Each call must come to know that the offset is not settled, however slow the machine is.
        hurried.setattr(log, "_ANSWER_MS", round(1000 * DEADLINE_S))
        # The broker forgets the commit once the name is taken: a failure then must not lose it.
        with monkeypatch.context() as broken:
            broken.setattr(ClusterMetadata, "leader_for_partition", lambda *_: -1)
            with pytest.raises(LogUnavailable, match="has no leader"):
                member.committed(0)
        with monkeypatch.context() as broken:
            broken.setattr(BatchProducer, "_wait_for", refuse)
            with pytest.raises(LogUnavailable, match="finding the group's coordinator: no answer"):
                member.committed(0)
        with pytest.raises(LogUnavailable, match="a transaction of another instance is open"):
            member.committed(0)
    assert member.committed(0) == (2 if ended == "commit" else 1)
    member.transact([backend.output(b"after")], {0: 3})
    values = [b"before", b"open", b"after"] if ended == "commit" else [b"before", b"after"]
    assert backend.output_values() == values


def refuse(_producer: object, _result: object, request: str) -> None:
    raise KafkaTimeoutError(f"{request}: no answer")


def test_who_re_enters_rejected_events_frees_the_topics_too(backend: KafkaLogBackend) -> None:
    options = RejectedOptions(
        backend.connection, backend.vitals, f"{backend.prefix}rejected", f"{backend.prefix}marks"
    )
    ensure(
        backend.connection, [TopicSpec(options.rejected, 1, {}), TopicSpec(options.marks, 1, {})], 1
    )
    topic = RejectedTopic(options)
    first = DeadLetterReplayer(options, topic)
    leave_open(backend, first._producer, Output(backend.vitals, 1, b"p", b"open", []), {})
    DeadLetterReplayer(options, topic).close()
    backend.send(1, 1)
    reader = KafkaConsumer(**backend.connection, isolation_level="read_committed")
    with contextlib.closing(reader):
        tp = TopicPartition(backend.vitals, 1)
        reader.assign([tp])
        reader.seek_to_beginning(tp)
        values: list[bytes] = []

        def read() -> list[bytes]:
            values.extend(r.value for r in reader.poll(timeout_ms=200).get(tp, []))
            return values

        assert wait_until(read, DEADLINE_S, "a record behind what was open") == [b"0"]
