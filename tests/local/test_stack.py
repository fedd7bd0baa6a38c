"""Starting, stopping and killing real servers.

Where it does not matter which server it is, only Redis is started: it is up in a few milliseconds.
"""

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from streamer.local import LocalStack, LocalStackError, StackPorts, java
from streamer.local.ports import LOOPBACK, is_free
from tests.support.local_servers import (
    alive,
    redis_client,
    redis_only,
    start_parent,
    started_since,
)
from tests.support.wait import wait_until

pytestmark = pytest.mark.integration


def port_of(address: str) -> int:
    return int(address.removesuffix("/0").rsplit(":", 1)[1])


def make_topic(kafka: str, topic: str) -> None:
    with KafkaAdminClient(bootstrap_servers=kafka) as admin:
        admin.create_topics([NewTopic(topic, 1, 1)])


def commit_one(kafka: str, topic: str, value: bytes) -> None:
    """Write one record in a transaction of its own."""
    producer = KafkaProducer(bootstrap_servers=kafka, transactional_id=f"writes-{topic}")
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, value)
        producer.commit_transaction()
    finally:
        producer.close()


def committed_values(kafka: str, topic: str, count: int) -> list[bytes]:
    """The first values of partition 0 that a reader of committed records gets, at least `count`.

    They may come a moment after the commit has returned: the broker writes the markers that end a
    transaction after it has answered.
    """
    consumer = KafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed")
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        values: list[bytes] = []

        def all_read() -> bool:
            for records in consumer.poll(timeout_ms=100).values():
                values.extend(record.value for record in records)
            return len(values) >= count

        wait_until(all_read, 60, f"reading {count} records")
        return values
    finally:
        consumer.close()


def grouped_values(kafka: str, topic: str, group: str) -> list[bytes]:
    """The first values that a new member of a new group gets."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=group, auto_offset_reset="earliest"
    )
    try:
        polled = wait_until(lambda: consumer.poll(timeout_ms=100), 60, "a record for the group")
        return [record.value for records in polled.values() for record in records]
    finally:
        consumer.close()


def test_transactions_groups_and_redis_work_as_soon_as_the_stack_is_up() -> None:
    with LocalStack() as stack:
        kafka, redis_url = stack.kafka, stack.redis
        processes = [psutil.Process(stack.kafka_server.pid), psutil.Process(stack.redis_server.pid)]
        make_topic(kafka, "topic")
        commit_one(kafka, "topic", b"hello")
        assert committed_values(kafka, "topic", 1) == [b"hello"]
        assert grouped_values(kafka, "topic", "group") == [b"hello"]
        with redis_client(redis_url) as client:
            assert client.ping()
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
            folder = Path(str(client.config_get("dir")["dir"])).parent
        for process in processes:
            listening = [
                one.laddr.ip for one in process.net_connections() if one.status == "LISTEN"
            ]
            assert listening
            assert {address.removeprefix("::ffff:") for address in listening} == {LOOPBACK}
            # A terminal's Ctrl-C goes to our process group, so theirs must be another.
            assert os.getpgid(process.pid) != os.getpgrp()
        # Together they must leave room in the 4 GB that a whole demo may take.
        assert sum(process.memory_info().rss for process in processes) < 600e6
        assert folder.is_dir()
    assert not any(process.is_running() for process in processes)
    assert is_free(port_of(kafka))
    assert is_free(port_of(redis_url))
    assert not folder.exists()


def test_data_outlives_a_crash_of_the_servers_and_a_new_stack(tmp_path: Path) -> None:
    folder = tmp_path / "wéird, name: = \\"
    with LocalStack(folder) as stack:
        addresses = stack.kafka, stack.redis
        make_topic(stack.kafka, "topic")
        commit_one(stack.kafka, "topic", b"first")
        # A commit is answered before it can be read, and a broker that dies then may forget it:
        # docs/decisions/019.
        assert committed_values(stack.kafka, "topic", 1) == [b"first"]
        with redis_client(stack.redis) as client:
            client.set("first", "1")
        stack.kafka_server.kill()
        stack.redis_server.kill()
        assert not stack.kafka_server.running
        assert not stack.redis_server.running
        stack.redis_server.start()
        stack.kafka_server.start()
        assert (stack.kafka, stack.redis) == addresses
        assert committed_values(stack.kafka, "topic", 1) == [b"first"]
        commit_one(stack.kafka, "topic", b"second")
        with redis_client(stack.redis) as client:
            assert client.get("first") == "1"
            client.set("second", "2")
    with LocalStack(
        folder, stack_ports=StackPorts(port_of(addresses[0]), port_of(addresses[1]))
    ) as stack:
        assert (stack.kafka, stack.redis) == addresses
        assert committed_values(stack.kafka, "topic", 2) == [b"first", b"second"]
        with redis_client(stack.redis) as client:
            assert client.mget("first", "second") == ["1", "2"]


def test_two_stacks_run_side_by_side(tmp_path: Path) -> None:
    with redis_only(tmp_path / "a") as one, redis_only(tmp_path / "b") as other:
        assert one.redis != other.redis
        with redis_client(one.redis) as client:
            client.set("whose", "one")
        with redis_client(other.redis) as client:
            assert client.get("whose") is None


def test_ten_starts_in_a_row_on_the_same_port(tmp_path: Path) -> None:
    port = None
    for count in range(10):
        with redis_only(tmp_path, port) as stack, redis_client(stack.redis) as client:
            port = port_of(stack.redis)
            assert client.incr("starts") == count + 1


def test_existing_servers_are_used_and_not_started() -> None:
    with LocalStack(existing_kafka="broker:9092", existing_redis="redis://cache:6379/3") as stack:
        assert (stack.kafka, stack.redis) == ("broker:9092", "redis://cache:6379/3")
        with pytest.raises(LocalStackError, match="has not started a Kafka"):
            _ = stack.kafka_server
        with pytest.raises(LocalStackError, match="has not started a Redis"):
            _ = stack.redis_server


def test_a_folder_belongs_to_one_stack_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.local.stack._LOCK_DEADLINE_S", 0.0)
    with redis_only(tmp_path), pytest.raises(LocalStackError) as caught:
        redis_only(tmp_path).start()
    assert f"{tmp_path} is in use by another stack (process {os.getpid()})" in str(caught.value)
    with redis_only(tmp_path) as stack:
        assert stack.redis_server.running


def test_a_port_in_use_is_an_error_and_no_server_is_left(tmp_path: Path) -> None:
    before = psutil.Process().children()
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"port {port} .* so Kafka cannot listen"):
            LocalStack(tmp_path, stack_ports=StackPorts(kafka=port)).start()
        with pytest.raises(LocalStackError, match=f"port {port} .* so Redis cannot listen"):
            LocalStack(tmp_path, stack_ports=StackPorts(redis=port)).start()
    assert not started_since(before)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalStackError, match=r"cannot be made: .*Give a folder"):
        redis_only(tmp_path / "file" / "data").start()
    (tmp_path / "data" / "stack.lock").mkdir(parents=True)
    with pytest.raises(LocalStackError, match=r"cannot be written: .*Give another"):
        redis_only(tmp_path / "data").start()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "redis").write_text("")
    with pytest.raises(LocalStackError, match="Redis cannot be started"):
        redis_only(tmp_path / "other").start()


STARTS_A_STACK = """
import sys
from streamer.local import LocalStack
with LocalStack(sys.argv[1]) as stack:
    print(stack.kafka_server.pid, stack.redis_server.pid, flush=True)
    sys.stdin.read()
"""


def test_no_server_outlives_a_killed_parent(tmp_path: Path) -> None:
    with start_parent(STARTS_A_STACK, str(tmp_path)) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.kill()
    with redis_only(tmp_path) as stack:  # waits for the lock, which the dying servers still hold
        assert stack.redis_server.running
        assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    java_class = "kafka.Kafka"  # Kafka's tool for a folder runs once a machine
    with start_parent(STARTS_A_STACK, str(tmp_path)) as parent:
        watched = psutil.Process(parent.pid)

        def java_and_redis() -> list[psutil.Process]:
            children = [c for c in watched.children(recursive=True) if alive(c.pid)]
            try:
                runs = any(java_class in child.cmdline() for child in children)
            except psutil.Error:  # one has ended between the two questions
                return []
            return children if runs and len(children) == 2 else []

        servers = wait_until(java_and_redis, 30, f"Redis and {java_class}")
        parent.send_signal(number)
    assert parent.returncode != 0
    wait_until(lambda: not any(alive(one.pid) for one in servers), 5, "the end of all servers")


def test_this_machine_has_a_java_for_all_of_this() -> None:
    assert (java.java_version(java.find_java()) or 0) >= java.MINIMUM_VERSION
