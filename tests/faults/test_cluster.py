"""Three real brokers: committed records outlive the broker that took them."""

from __future__ import annotations

import contextlib

import psutil
import pytest
from kafka import KafkaProducer

from streamer.adapters.kafka.client_fixes import UnhurriedClient
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local.cluster import KafkaCluster
from tests.support.read_values import read_values

pytestmark = pytest.mark.integration

PARTITION_OF_T = ord("t") % 4  # Java's hash of the id: the partition of its transactions


def test_transactions_go_on_when_their_coordinator_is_killed() -> None:
    """As kafka-python comes, the second one never ends: see `client_fixes`."""
    with KafkaCluster() as cluster:
        connection = {"bootstrap_servers": cluster.address.split(",")}
        ensure(connection, [TopicSpec("topic", 1, {})], replication=3)
        producer = KafkaProducer(
            **connection, transactional_id="t", kafka_client=UnhurriedClient, retry_backoff_ms=20
        )
        with contextlib.closing(producer):
            producer.init_transactions()
            coordinator = cluster.leader_of("__transaction_state", PARTITION_OF_T)
            for value, happens in ((b"a", coordinator.kill), (b"b", coordinator.start)):
                producer.begin_transaction()
                producer.send("topic", value)
                producer.commit_transaction()
                happens()
                cluster.leader_of("__transaction_state", PARTITION_OF_T)
            assert read_values(cluster.address, "topic", 2) == [b"a", b"b"]
        processes = [psutil.Process(broker.pid) for broker in cluster.brokers]
        assert len(processes) == 3
    assert not any(process.is_running() for process in processes)
