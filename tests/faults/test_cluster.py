"""Three brokers with three replicas of everything: any one may die."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from streamer.adapters.kafka.client_fixes import UnhurriedClient
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local import LocalStack
from streamer.local.cluster import KafkaCluster
from tests.support.read_values import read_values
from tests.support.service_trial import ServiceTrial

pytestmark = pytest.mark.integration

PARTITION_OF_T = ord("t") % 4  # Java's hash of the id: the partition of its transactions


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """A cluster in which each test starts again what it has killed."""
    with KafkaCluster() as running:
        yield running
        processes = [psutil.Process(broker.pid) for broker in running.brokers]
        assert len(processes) == 3
    assert not any(process.is_running() for process in processes)


def test_transactions_go_on_when_their_coordinator_is_killed(cluster: KafkaCluster) -> None:
    """As kafka-python comes, the second one never ends: see `client_fixes`."""
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


def test_the_leader_of_a_partition_is_killed_and_comes_back(
    cluster: KafkaCluster, tmp_path: Path, topic_prefix: str
) -> None:
    with (
        LocalStack(existing_kafka=cluster.address) as stack,
        ServiceTrial(stack, tmp_path, topic_prefix, replication=3) as trial,
        trial.worker(),
        trial.worker(),
    ):
        vitals = trial.settings.topic_vitals
        trial.send(100)
        trial.wait_for_commit()
        leader = cluster.leader_of(vitals, 0)
        leader.kill()
        trial.send(100)
        trial.wait_for_commit(125)  # without it
        leader.start()
        trial.send()
        trial.assert_equals_oracle()
