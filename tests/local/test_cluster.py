"""A broker with a second listener, whose clients can be put behind a proxy."""

from __future__ import annotations

import contextlib

import pytest
from kafka import KafkaProducer

from bench.proxy import KafkaProxy
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local import LocalStack, StackPorts, ports
from tests.support.read_values import DEADLINE_S, read_values

pytestmark = pytest.mark.integration

NO_REDIS = "redis://127.0.0.1:1/0"  # nobody asks it anything: only Kafka is started


def test_clients_of_the_second_listener_stay_behind_the_proxy() -> None:
    port = ports.choose(None, "the proxy")
    with LocalStack(stack_ports=StackPorts(kafka_proxy=port), existing_redis=NO_REDIS) as stack:
        behind = stack.kafka_server.behind_proxy_port
        assert behind is not None
        ensure({"bootstrap_servers": [stack.kafka]}, [TopicSpec("topic", 1, {})], replication=1)
        with KafkaProxy(port, behind) as proxy:
            with contextlib.closing(KafkaProducer(bootstrap_servers=proxy.address)) as producer:
                producer.send("topic", b"passed on").get(timeout=DEADLINE_S)
                proxy.hold()
                sent = producer.send("topic", b"held up")
                assert not sent.is_done
                proxy.release()
                sent.get(timeout=DEADLINE_S)
            for address in (proxy.address, stack.kafka):
                assert read_values(address, "topic", 2) == [b"passed on", b"held up"]
