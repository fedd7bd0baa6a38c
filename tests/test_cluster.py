"""Three real brokers: what was committed outlives the one that took it."""

from __future__ import annotations

import contextlib

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.proxy import KafkaProxy
from streamer.adapters.kafka.client_fixes import UnhurriedClient
from streamer.adapters.kafka.topics import Wanted, ensure
from streamer.local import LocalStack, ports
from streamer.local.cluster import KafkaCluster
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

DEADLINE_S = 60.0
PLACE_OF_T = ord("t") % 4  # which partition keeps the transactions of an id: Java's hash of it
NO_REDIS = "redis://127.0.0.1:1/0"  # nobody asks it anything: only Kafka is started


def read(address: str, topic: str, n: int) -> list[bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=address.split(","),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    values: list[bytes] = []
    with contextlib.closing(consumer):
        consumer.assign([TopicPartition(topic, 0)])

        def enough() -> bool:
            for records in consumer.poll(timeout_ms=100).values():
                values.extend(record.value for record in records)
            return len(values) >= n

        wait_until(enough, DEADLINE_S, f"{n} records of {topic}")
    return values


def test_transactions_go_on_when_their_coordinator_is_killed() -> None:
    """As kafka-python comes, the second one never ends: see `kafka_client`."""
    with KafkaCluster() as cluster:
        connection = {"bootstrap_servers": cluster.address.split(",")}
        ensure(connection, [Wanted("topic", 1, {})], replication=3)
        producer = KafkaProducer(
            **connection, transactional_id="t", kafka_client=UnhurriedClient, retry_backoff_ms=20
        )
        with contextlib.closing(producer):
            producer.init_transactions()
            coordinator = cluster.leader_of("__transaction_state", PLACE_OF_T)
            for value, happens in ((b"a", coordinator.kill), (b"b", coordinator.start)):
                producer.begin_transaction()
                producer.send("topic", value)
                producer.commit_transaction()
                happens()
                cluster.leader_of("__transaction_state", PLACE_OF_T)
            assert read(cluster.address, "topic", 2) == [b"a", b"b"]
        processes = [psutil.Process(broker.pid) for broker in cluster.brokers]
        assert len(processes) == 3
    assert not any(process.is_running() for process in processes)


def test_clients_of_the_second_listener_stay_behind_the_proxy() -> None:
    port = ports.choose(None, "the proxy")
    with LocalStack(kafka_proxy_port=port, existing_redis=NO_REDIS) as stack:
        behind = stack.kafka_server.behind_proxy_port
        assert behind is not None
        ensure({"bootstrap_servers": [stack.kafka]}, [Wanted("topic", 1, {})], replication=1)
        with KafkaProxy(port, behind) as proxy:
            with contextlib.closing(KafkaProducer(bootstrap_servers=proxy.address)) as producer:
                producer.send("topic", b"passed on").get(timeout=DEADLINE_S)
                proxy.hold()
                sent = producer.send("topic", b"held up")
                assert not sent.is_done
                proxy.release()
                sent.get(timeout=DEADLINE_S)
            for address in (proxy.address, stack.kafka):
                assert read(address, "topic", 2) == [b"passed on", b"held up"]
