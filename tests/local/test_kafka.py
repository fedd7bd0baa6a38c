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
from streamer.local import LocalStack, LocalStackError, StackPorts, kafka_storage, ports
from streamer.local.kafka import KafkaServer, new_id
from tests.support.local_servers import started_since
from tests.support.read_values import DEADLINE_S, read_values

pytestmark = pytest.mark.integration

NO_REDIS = "redis://127.0.0.1:1/0"  # nobody asks it anything: only Kafka is started


def ids_in(data: Path) -> dict[str, str]:
    lines = (data / "meta.properties").read_text().splitlines()
    return dict(line.split("=") for line in lines if not line.startswith("#"))


def test_a_first_folder_is_formatted_by_the_tool_and_the_next_one_as_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_storage, "features_of", lambda _: tmp_path / "kept")
    by_tool, copied = (KafkaServer(tmp_path / name, 1) for name in ("tool", "copy"))
    for server in (by_tool, copied):
        server.folder.mkdir()
        server._prepare()
    folders = [server.folder / "data" for server in (by_tool, copied)]
    features = [(data / "bootstrap.checkpoint").read_bytes() for data in folders]
    assert features[0] == features[1] == (tmp_path / "kept").read_bytes()
    first, second = map(ids_in, folders)
    assert first.keys() == second.keys()
    assert (first["version"], first["node.id"]) == (second["version"], second["node.id"])
    assert first["cluster.id"] != second["cluster.id"]
    assert first["directory.id"] != second["directory.id"]


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
    assert new_id() == "A" * 22  # the first would be "-Pj4…"
