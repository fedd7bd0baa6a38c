from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest
from kafka.errors import KafkaConnectionError

from streamer.adapters.kafka import log
from streamer.adapters.kafka.log import KafkaLog
from streamer.adapters.kafka.options import KafkaOptions
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.core.records import Records
from streamer.local import LocalStack
from streamer.ports.log import Interrupted, LogUnavailable
from tests.support.log_backends import (
    DEADLINE_S,
    POLL_RECORDS,
    TIME_MS,
    KafkaLogBackend,
    LogBackend,
    MemoryLogBackend,
    N,
    read,
    wait_for_partitions,
)
from tests.support.wait import wait_until


class Contract:
    """What both adapters of the port promise."""

    @pytest.fixture
    def backend(self) -> Iterator[LogBackend]:
        raise NotImplementedError

    def test_records_are_read_in_order_from_the_sought_offset(self, backend: LogBackend) -> None:
        backend.send(0, 5)
        backend.send(1, 3)
        member = backend.member()
        assert wait_for_partitions(member) == [0, 1]
        records = read(member, 8)
        for partition, n in ((0, 5), (1, 3)):
            mine = [r for r in records if r.partition == partition]
            assert [(r.offset, r.value) for r in mine] == [(i, b"%d" % i) for i in range(n)]
            assert [r.timestamp_ms for r in mine] == [TIME_MS + 1000 * i for i in range(n)]
            assert {r.key for r in mine} == {b"p"}
        member.seek(0, 3)
        assert [(r.partition, r.offset) for r in read(member, 2)] == [(0, 3), (0, 4)]

    def test_a_partition_without_a_position_gives_no_records(self, backend: LogBackend) -> None:
        backend.send(0, 5)
        first = backend.member()
        wait_for_partitions(first)
        first.transact([], {0: 2, 1: 0})
        first.close()
        member = backend.member()
        gained: list[int] = []

        def joined() -> bool:
            polled = member.poll(0.2)
            assert not polled.records
            gained.extend(polled.gained)
            return len(gained) == N

        wait_until(joined, DEADLINE_S, "joining")

    def test_a_transaction_writes_outputs_and_offsets_together(self, backend: LogBackend) -> None:
        backend.send(0, 4)
        member = backend.member()
        wait_for_partitions(member)
        assert member.committed(0) is None
        member.transact([backend.output(b"a"), backend.output(b"b")], {0: 2})
        assert (member.committed(0), member.committed(1)) == (2, None)
        assert (member.noted(1), member.noted_elsewhere(0)) == (None, None)
        member.transact([backend.output(b"c")], {0: 4, 1: 0}, {0: "a note"})
        assert (member.committed(0), member.committed(1)) == (4, 0)
        assert (member.noted(0), member.noted(1)) == ("a note", "")
        assert (member.noted_elsewhere(0), member.noted_elsewhere(1)) == ("", "a note")
        assert backend.output_values() == [b"a", b"b", b"c"]

    def test_the_number_of_offsets_left_is_reported_now_and_then(self, backend: LogBackend) -> None:
        n = POLL_RECORDS + 500  # more than one poll brings
        backend.send(0, n)
        member = backend.member()
        wait_for_partitions(member)
        seen: list[int] = []

        def knows_the_rest() -> bool:
            member.seek(0, 0)
            polled = member.poll(0.2)
            if 0 in polled.left and polled.records:
                assert polled.left[0] == n - len(polled.records)
                assert polled.left.get(1, 0) == 0
                seen.append(polled.left[0])
            return bool(seen)

        wait_until(knows_the_rest, DEADLINE_S, "the number of records that are left")
        assert seen[0] >= n - POLL_RECORDS

    def test_paused_partitions_are_silent_until_they_are_resumed(self, backend: LogBackend) -> None:
        member = backend.member()
        wait_for_partitions(member)
        member.pause([0])
        backend.send(0, 3)
        backend.send(1, 3)
        assert {r.partition for r in read(member, 3)} == {1}
        assert not member.poll(0.2).records
        member.resume([0])
        assert [(r.partition, r.offset) for r in read(member, 3)] == [(0, 0), (0, 1), (0, 2)]

    def test_a_partition_paused_half_way_goes_on(self, backend: LogBackend) -> None:
        n = POLL_RECORDS + 1_000  # more than one poll returns, and less than one fetch
        backend.send(0, n)
        member = backend.member()
        wait_for_partitions(member)
        seen = {record.offset for record in read(member, 1)}
        assert len(seen) < n
        member.pause([0])
        backend.send(1, 1)
        assert {record.partition for record in read(member, 1)} == {1}
        member.resume([0])
        seen |= {record.offset for record in read(member, n - len(seen))}
        assert seen == set(range(n))

    def test_partitions_that_are_not_owned_are_left_alone(self, backend: LogBackend) -> None:
        member = backend.member()
        member.seek(0, 3)
        member.pause([0])
        member.resume([0])
        wait_for_partitions(member)

    def test_unreadable_bytes_are_a_record_among_the_others(self, backend: LogBackend) -> None:
        backend.send(0, 2)
        backend.send_unreadable(0)
        backend.send(0, 1)
        member = backend.member()
        wait_for_partitions(member)
        parts: list[Records] = []
        position = 0

        def read_all() -> bool:
            nonlocal position
            polled = member.poll(0.2)
            parts.append(polled.records)
            position = polled.positions.get(0, position)
            return position == 4

        wait_until(read_all, DEADLINE_S, "the records around it")
        records = Records.joined(parts)
        assert [(r.offset, r.key) for r in records] == [(0, b"p"), (1, b"p"), (2, None), (3, b"p")]
        assert "the name of a header is not UTF-8" in records.unreadable[2]
        assert b"content" in (records[2].value or b"")

    def test_bounds_and_times(self, backend: LogBackend) -> None:
        backend.send(0, 5)
        member = backend.member()
        assert member.bounds(0) == (0, 5)
        assert member.bounds(1) == (0, 0)
        assert member.offset_at(0, 0) == 0
        assert member.offset_at(0, TIME_MS + 2000) == 2
        assert member.offset_at(0, TIME_MS + 2001) == 3
        assert member.offset_at(0, TIME_MS + 5000) is None
        assert member.timestamp_at(0, 5) == TIME_MS + 4000
        assert member.timestamp_at(0, 1) == TIME_MS
        assert member.timestamp_at(0, 0) is None
        assert member.timestamp_at(1, 0) is None

    def test_a_topic_created_anew_has_another_id(self, backend: LogBackend) -> None:
        member = backend.member()
        before = member.topic()
        assert before.n_partitions == N
        assert member.topic() == before
        backend.recreate()
        assert member.topic().topic_id != before.topic_id

    def test_added_partitions_are_noticed_by_poll(self, backend: LogBackend) -> None:
        member = backend.member()
        wait_for_partitions(member)
        wait_until(lambda: member.poll(0.2).topic == member.topic(), DEADLINE_S, "a description")
        backend.add_partition()

        def seen() -> bool:
            topic = member.poll(0.2).topic
            return topic is not None and topic.n_partitions == N + 1

        wait_until(seen, DEADLINE_S, "the new partition")
        assert member.topic().n_partitions == N + 1

    def test_members_share_and_take_over(self, backend: LogBackend) -> None:
        backend.send(0, 2)
        backend.send(1, 2)
        first = backend.member()
        wait_for_partitions(first)
        first.transact([], {0: 1, 1: 1})
        second = backend.member()
        (moved,) = wait_for_partitions(second, 1, [first])
        assert [(r.partition, r.offset) for r in read(second, 1)] == [(moved, 1)]
        second.transact([backend.output(b"second")], {moved: 2})
        second.close()
        gain_again: set[int] = set()

        def back() -> bool:
            gain_again.update(first.poll(0.2).gained)
            return moved in gain_again

        wait_until(back, DEADLINE_S, "the partition coming back")
        assert first.committed(moved) == 2
        assert first.committed(1 - moved) == 1

    def test_a_member_that_the_group_gave_up_cannot_commit(self, backend: LogBackend) -> None:
        backend.send(0, 2)
        member = backend.member()
        wait_for_partitions(member)
        member.transact([backend.output(b"before")], {0: 1})
        backend.expel()
        with pytest.raises(Interrupted):
            member.transact([backend.output(b"zombie")], {0: 2})
        member.recover()
        assert backend.output_values() == [b"before"]
        assert member.committed(0) == 1
        polled_lost: set[int] = set()
        polled_gained: set[int] = set()

        def rejoined() -> bool:
            polled = member.poll(0.2)
            polled_lost.update(polled.lost)
            polled_gained.update(polled.gained)
            return polled_gained == {0, 1}

        wait_until(rejoined, DEADLINE_S, "joining again")
        assert polled_lost == {0, 1}
        member.transact([backend.output(b"after")], {0: 2})
        assert backend.output_values() == [b"before", b"after"]


class TestMemoryLog(Contract):
    @pytest.fixture
    def backend(self) -> Iterator[LogBackend]:
        yield MemoryLogBackend()

    @pytest.mark.parametrize(("knob", "happens"), [("refuse_next", 0), ("lose_next_answer", 1)])
    def test_transactions_fail_on_demand(self, knob: str, happens: int) -> None:
        backend = MemoryLogBackend()
        member = backend.member()
        wait_for_partitions(member)
        setattr(member, knob, True)
        with pytest.raises(Interrupted):
            member.transact([backend.output(b"a")], {0: 7})
        assert member.committed(0) == (7 if happens else None)
        assert backend.output_values() == [b"a"] * happens
        with pytest.raises(Interrupted):  # until it is told to recover
            member.transact([backend.output(b"b")], {0: 8})
        member.recover()
        member.transact([backend.output(b"c")], {0: 9})
        assert backend.output_values() == [b"a"] * happens + [b"c"]

    def test_a_log_that_is_switched_off_is_unavailable(self) -> None:
        member = MemoryLog(MemoryBroker(1))
        member.available = False
        asks: list[Callable[[], object]] = [
            lambda: member.poll(0),
            lambda: member.committed(0),
            lambda: member.bounds(0),
            lambda: member.offset_at(0, 0),
            lambda: member.timestamp_at(0, 0),
            member.topic,
            member.recover,
        ]
        for ask in asks:
            with pytest.raises(LogUnavailable):
                ask()
        with pytest.raises(Interrupted):
            member.transact([], {})


class TestKafkaLog(Contract):
    @pytest.fixture
    def backend(self, stack: LocalStack, topic_prefix: str) -> Iterator[LogBackend]:
        with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
            yield backend

    def test_a_twin_of_the_same_name_fences_the_one_before(
        self, stack: LocalStack, topic_prefix: str
    ) -> None:
        with contextlib.closing(KafkaLogBackend(stack, topic_prefix)) as backend:
            backend.send(0, 2)
            member = backend.member()
            wait_for_partitions(member)
            before = backend.members.pop()
            twin = backend.member()  # takes the transactional id of the one before
            try:
                with pytest.raises(Interrupted, match=r"Fenced|Epoch"):
                    before.transact([backend.output(json.dumps("zombie").encode())], {0: 1})
                assert twin.committed(0) is None
                assert backend.output_values() == []
            finally:
                before.close()

    def test_a_member_that_polls_too_rarely_loses_its_partitions_loudly(
        self, backend: LogBackend
    ) -> None:
        assert isinstance(backend, KafkaLogBackend)
        backend.send(0, 2)
        member = backend.member(max_poll_interval_ms=1_000)
        wait_for_partitions(member)
        group = backend.members_of_the_group
        wait_until(lambda: not group(), DEADLINE_S, "the group giving the member up")
        with pytest.raises(Interrupted):
            member.transact([backend.output(b"late")], {0: 2})
        member.recover()
        seen: set[str] = set()

        def back() -> bool:
            polled = member.poll(0.2)
            seen.update("lost" for _ in polled.lost)
            seen.update("gained" for _ in polled.gained)
            return seen == {"lost", "gained"}

        wait_until(back, DEADLINE_S, "losing and gaining")
        assert member.committed(0) is None
        assert backend.output_values() == []

    def test_a_member_without_partitions_joins_anew(
        self, backend: LogBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log, "_STUCK_S", -1.0)
        member = backend.member()  # each poll without a partition makes a new consumer
        member.poll(0)
        monkeypatch.undo()
        backend.send(0, 1)
        assert wait_for_partitions(member) == [0, 1]
        assert len(read(member, 1)) == 1

    def test_a_member_that_cannot_join_anew_goes_on_as_it_is(
        self, backend: LogBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as away:
            away.setattr(log, "_STUCK_S", -1.0)
            member = backend.member()
            away.setattr(log, "new_consumer", refuse)
            with pytest.raises(LogUnavailable, match="KafkaConnectionError"):
                member.poll(0)
        backend.send(0, 1)
        assert wait_for_partitions(member) == [0, 1]
        assert len(read(member, 1)) == 1

    def test_a_silent_broker_is_away(
        self, backend: LogBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        member = backend.member()
        wait_for_partitions(member)
        monkeypatch.setattr(log, "_SILENCE_MS", -1)
        with pytest.raises(LogUnavailable, match="no broker has answered"):
            member.poll(0)
        backend.send(0, 1)
        monkeypatch.undo()
        assert len(read(member, 1)) == 1

    def test_a_log_without_a_broker_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # A real attempt would leave its socket to the garbage collector, amid another test.
        monkeypatch.setattr(log, "new_consumer", refuse)
        with pytest.raises(LogUnavailable, match="KafkaConnectionError"):
            KafkaLog(KafkaOptions({}, "topic", "group", "instance", ["risk"]))


def refuse(*_: object, **__: object) -> None:
    raise KafkaConnectionError
