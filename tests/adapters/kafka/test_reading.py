"""Polls of a real broker, beyond the contract: amount of records, headers, damage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from kafka.record.default_records import DefaultRecordBatch

from streamer.adapters.kafka import fetched, log
from streamer.local import LocalStack
from tests.support.log_backends import (
    DEADLINE_S,
    TIME_MS,
    KafkaLogBackend,
    N,
    read,
    wait_for_partitions,
)
from tests.support.wait import wait_until


@pytest.fixture
def backend(stack: LocalStack, topic_prefix: str) -> Iterator[KafkaLogBackend]:
    with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
        yield backend


def test_a_poll_of_a_backlog_holds_a_fetch_of_each_partition_at_most(
    backend: KafkaLogBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, n = 300_000, 12
    monkeypatch.setattr(log, "partition_fetch_bytes", lambda n_owned: 200_000 * n_owned)
    for partition in range(N):
        for _ in range(n):
            backend.producer.send(backend.vitals, bytes(size), b"p", None, partition, TIME_MS)
    backend.producer.flush()
    member = backend.member()
    wait_for_partitions(member)
    polled: list[int] = []

    def all_read() -> bool:
        polled.append(len(member.poll(0.2).records))
        return sum(polled) == N * n

    wait_until(all_read, DEADLINE_S, "reading the backlog")
    assert max(polled) <= N * (200_000 * N // size + 1)


def test_headers_above_their_bound_are_not_passed_on(backend: KafkaLogBackend) -> None:
    sizes = [(55, 300), (256, 301), (257, 300), (600_000, 300_000)]
    for sent in ([("traceparent", bytes(t)), ("replayed-of", bytes(o))] for t, o in sizes):
        backend.producer.send(backend.vitals, b"{}", b"p", sent, 0, TIME_MS)
    backend.producer.flush()
    member = backend.member()
    wait_for_partitions(member)
    read_back = [(r.traceparent, r.replayed_of) for r in read(member, len(sizes))]
    assert [tuple(None if h is None else len(h) for h in pair) for pair in read_back] == [
        (55, 300), (256, None), (None, 300), (None, None),
    ]  # fmt: skip


def test_damage_is_reported_for_its_partition_and_ends_with_its_cause(
    backend: KafkaLogBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = backend.member()
    wait_for_partitions(member)
    with monkeypatch.context() as on_the_way:
        on_the_way.setattr(fetched, "calc_crc32c", lambda _: 0)
        on_the_way.setattr(DefaultRecordBatch, "validate_crc", lambda _: False)
        backend.send(0, 1)
        damaged = wait_until(lambda: member.poll(0.2).damaged, DEADLINE_S, "the damage")
        assert damaged.keys() == {0}
        assert "offset 0 is damaged: CorruptRecordError" in damaged[0]
        member.pause([0])
    backend.send(1, 3)
    assert {record.partition for record in read(member, 3)} == {1}
    member.seek(0, 0)
    member.resume([0])
    assert [(r.partition, r.offset) for r in read(member, 1)] == [(0, 0)]
