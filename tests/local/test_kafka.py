"""A single broker: its listeners, its cluster id, and its data."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from bench.proxy import KafkaProxy
from streamer.adapters.kafka.topics import TopicSpec, ensure
from streamer.local import LocalStack, LocalStackError, StackPorts, ports
from streamer.local.kafka import new_cluster_id
from tests.support.local_servers import started_since
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


def test_a_kafka_that_cannot_use_its_data_shows_its_log(tmp_path: Path) -> None:
    before = psutil.Process().children()
    (tmp_path / "kafka" / "data").mkdir(parents=True)
    (tmp_path / "kafka" / "data" / "meta.properties").write_text("version=1\nnode.id=7\n")
    with pytest.raises(
        LocalStackError, match=r"(?s)Kafka ended while starting.*meta\.properties"
    ) as caught:
        LocalStack(tmp_path).start()
    assert "kafka.log" in str(caught.value)
    assert "\tat " not in str(caught.value)
    assert not started_since(before)


def test_a_cluster_id_is_not_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\x00" * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(drawn))
    assert new_cluster_id() == "A" * 22  # the first would be "-Pj4…"
