"""The names that reading uses and that kafka-python does not promise: a release may move them."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.cluster import ClusterMetadata
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.frame import KafkaBytes
from kafka.protocol.parser import KafkaProtocol
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.memory_records import MemoryRecords

from streamer.adapters.kafka import connections
from streamer.adapters.kafka.fetched import Taken
from streamer.core.records import Record, Records

ROOT = Path(__file__).parents[3]
PARSER = Fetcher.PartitionRecords


def test_the_next_minor_release_is_not_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (dependency,) = (d for d in project["dependencies"] if d.startswith("kafka-python["))
    assert "<3.1" in dependency
    assert {"crc32c", "lz4", "snappy", "zstd"} <= set(
        dependency.partition("[")[2].partition("]")[0].split(",")
    )


def test_the_fetcher_makes_its_parser_by_an_attribute_with_these_arguments() -> None:
    assert "self.PartitionRecords(fetch_offset, tp, records," in inspect.getsource(
        Fetcher._parse_fetched_data
    )
    words = set(inspect.signature(PARSER.__init__).parameters)
    assert words == {
        "self", "fetch_offset", "tp", "records", "key_deserializer", "value_deserializer",
        "check_crcs", "isolation_level", "aborted_transactions", "metric_aggregator", "on_drain",
    }  # fmt: skip
    assert "self._fetcher = Fetcher(" in inspect.getsource(KafkaConsumer.__init__)


def test_the_fetcher_extends_a_list_by_the_taken_parts_and_counts_records() -> None:
    source = inspect.getsource(Fetcher._append)
    assert "part_records = part.take(max_records)" in source
    assert "drained[tp].extend(part_records)" in source
    assert "return len(part_records)" in source
    records = Records.of([Record(0, offset, 0, b"", b"") for offset in range(3)])
    drained: list[Records] = []
    drained.extend(Taken([records[:2], records[2:]]))
    assert [len(part) for part in drained] == [2, 1]
    assert len(Taken([records[:2], records[2:]])) == 3
    assert not Taken([])


def test_the_assignment_changes_where_the_membership_is_noted() -> None:
    source = inspect.getsource(ConsumerCoordinator._on_join_complete_async)
    assert "self._subscription.assign_from_subscribed(sorted(new_assigned))" in source
    words = list(inspect.signature(ConsumerCoordinator._on_join_complete_async).parameters)
    assert words == ["self", "generation", "member_id", "protocol", "member_assignment_bytes"]
    join = inspect.getsource(ConsumerCoordinator.join_group_async)
    assert "await self._on_join_complete_async(" in join


def test_connections_are_made_where_they_are_watched() -> None:
    assert connections.recent_failures(0) is not None
    connect = inspect.unwrap(KafkaConnectionManager._connect)
    assert list(inspect.signature(connect).parameters)[:3] == ["self", "node", "conn"]
    assert "self._connect(node, conn," in inspect.getsource(KafkaConnectionManager.get_connection)
    assert isinstance(KafkaConnection.init_future, property)
    assert "sasl_plain_password" in KafkaConnection.DEFAULT_CONFIG
    assert "await self._sasl_authenticate(" in inspect.getsource(KafkaConnection.initialize)
    assert "**self.config)" in inspect.getsource(KafkaConnection._sasl_authenticate)
    assert "self._sock.do_handshake()" in inspect.getsource(
        inspect.unwrap(KafkaSSLTransport.handshake)
    )


def test_answers_are_read_by_names_of_these_modules() -> None:
    built = inspect.getsource(KafkaConnectionManager._build_transport)
    assert "transport = KafkaTCPTransport(self._net, sock, host=node.host)" in built
    reads = inspect.getsource(KafkaTCPTransport._read_from_sock)
    assert "recvd_data, err = self._sock_recv()" in reads
    assert "self._rbuffer = KafkaBytes(nbytes)" in inspect.getsource(KafkaProtocol.receive_bytes)
    assert list(inspect.signature(KafkaBytes.read).parameters) == ["self", "nbytes"]


def test_a_fetch_asks_for_so_many_bytes_of_a_partition_as_is_set_by_then() -> None:
    source = inspect.getsource(Fetcher._create_fetch_requests)
    assert "partition_max_bytes=self.config['max_partition_fetch_bytes']" in source


def test_a_wait_for_the_network_thread_is_where_it_is_broken_off() -> None:
    source = inspect.getsource(NetworkSelector.run)
    assert "state['value'] = await self._invoke(coro, *args)" in source
    assert "self.call_soon_threadsafe(waiter)" in source
    assert "state['exception'] = exc" in inspect.getsource(NetworkSelector._fail_pending_waiters)
    assert "elif self._exception:" in source
    assert "self._net = self._manager._net" in inspect.getsource(KafkaConsumer.__init__)


def test_readers_create_no_topic() -> None:
    """The client's own option does not reach the class that makes the requests."""
    assert (
        ClusterMetadata(bootstrap_servers="127.0.0.1:1")
        .metadata_request()
        .to_dict()["allow_auto_topic_creation"]
        is False
    )


def test_the_parser_has_the_attributes_of_the_fetcher_and_follows_transactions() -> None:
    parser = PARSER(5, TopicPartition("vitals", 0), MemoryRecords(b""))
    for name in (
        "fetch_offset", "topic_partition", "leader_epoch", "next_fetch_offset", "bytes_read",
        "records_read", "isolation_level", "aborted_producer_ids", "check_crcs",
    ):  # fmt: skip
        assert hasattr(parser, name), name
    for name in ("drain", "_consume_aborted_transactions_up_to", "_is_batch_aborted"):
        assert callable(getattr(parser, name)), name
    assert parser
    parser.drain()
    assert not parser
    asked = inspect.getsource(PARSER._is_batch_aborted)
    assert "batch.is_transactional and batch.producer_id in self.aborted_producer_ids" in asked


def test_batches_have_the_shape_that_is_read() -> None:
    assert DefaultRecordBatch.HEADER_STRUCT.format == ">qiibIhiqqqhii"
    assert (MemoryRecords.LENGTH_OFFSET, MemoryRecords.LOG_OVERHEAD) == (8, 12)
    assert (MemoryRecords.MAGIC_OFFSET, DefaultRecordBatch.ATTRIBUTES_OFFSET) == (16, 21)
    assert MemoryRecords(b"bytes")._buffer == b"bytes"
    assert callable(LegacyRecordBatch._read_key_value)
