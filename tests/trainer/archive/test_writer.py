"""Exactly once: every record is in the archive once, whoever writes and whenever it is killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from structlog.testing import capture_logs

from bench.archived_log import NEVER_FLUSHED_S, PLAIN, START_MS, drain
from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.ports.log import LogUnavailable
from trainer.archive.archive import Archive
from trainer.archive.arrow import listed
from trainer.archive.delta_table import ArchiveTable
from trainer.archive.schemas import EVENTS
from trainer.archive.writer import RETRY_S, TopicWriter

N_EVENTS = 60
FAULTS = ("before_files", "before_commit", "after_commit")


def topic(n_partitions: int = 2) -> MemoryBroker:
    """A topic that is the same in each process: observations, one bad record, a marker."""
    broker = MemoryBroker(n_partitions)
    broker.topic_id = "the-topic"
    for i in range(N_EVENTS):
        key = f"p{i % 7}"
        event = {"patient_id": key, "time": START_MS + i * 60_000, "values": {"heart_rate": 60 + i}}
        value = b"no event" if i == 20 else orjson.dumps(event)
        broker.append(i % n_partitions, key.encode(), value, START_MS + i * 60_000)
        if i % 9 == 0 or i >= N_EVENTS - n_partitions:  # the last of each partition, too
            broker.append_marker(i % n_partitions)
    return broker


def expected(broker: MemoryBroker) -> list[tuple[int, int]]:
    return sorted(
        (record.partition, record.offset)
        for records in broker.partitions
        for record in records
        if broker.is_record(record)
    )


def archived(root: Path) -> list[tuple[int, int]]:
    """What a stranger reads: the log of the table and its files, by pyarrow alone."""
    live: set[str] = set()
    for entry in sorted((root / "events" / "_delta_log").glob("*.json")):
        for action in map(json.loads, entry.read_text().splitlines()):
            if "add" in action:
                live.add(action["add"]["path"])
            if "remove" in action:
                live.discard(action["remove"]["path"])
    rows: list[tuple[int, int]] = []
    for path in live:
        read = pq.ParquetFile(root / "events" / path).read(columns=["partition", "offset"])
        rows += zip(listed(read, "partition"), listed(read, "offset"), strict=True)
    return sorted(rows)


def writer(root: Path, broker: MemoryBroker, most: int = 5, **more: object) -> TopicWriter:
    log = MemoryLog(broker, max_poll_records=most)
    return Archive(root, PLAIN).writer("vitals", log, NEVER_FLUSHED_S, **more)  # type: ignore[arg-type]


def test_every_record_is_kept_once_with_its_position_past_the_markers(tmp_path: Path) -> None:
    broker = topic()
    drain(writer(tmp_path, broker), flush_every=2)
    assert archived(tmp_path) == expected(broker)
    table = ArchiveTable(tmp_path, EVENTS)
    assert [table.offset(f"the-topic/{p}") for p in range(2)] == [
        len(records) for records in broker.partitions
    ]
    refused = [kind for kind in table.read_all()["refused"].to_pylist() if kind is not None]
    assert refused == ["not_json"]
    drain(writer(tmp_path, broker))  # another begins where it ended
    assert archived(tmp_path) == expected(broker)


def test_all_is_read_only_when_the_ends_are_known_and_reached(tmp_path: Path) -> None:
    """One who ends when idle must not take the time until its first records for idleness."""
    broker = topic(n_partitions=1)
    log = MemoryLog(broker, max_poll_records=5)
    own = Archive(tmp_path, PLAIN).writer("vitals", log, NEVER_FLUSHED_S)
    seen = [own.has_read_all]
    own.step(0)  # joins, and reads nothing
    seen.append(own.has_read_all)
    while len(broker.partitions[0]) - log._positions[0] > 5:
        own.step(0)
        seen.append(own.has_read_all)
    assert len(seen) > 3 and not any(seen)
    own.step(0)
    assert own.has_read_all
    spare = writer(tmp_path, broker)
    spare.step(0)
    assert spare.has_read_all, "others own every partition"
    log.available = False
    with pytest.raises(LogUnavailable):
        own.step(0)
    assert not own.has_read_all


class Killed(BaseException):
    """Stands for a process that is gone: nothing after it runs."""


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_missing_or_doubled_whoever_dies_and_whoever_wakes(
    seed: int, tmp_path: Path
) -> None:
    draws = np.random.default_rng(seed)
    broker = topic()

    def fault(point: str) -> None:
        if draws.random() < 0.15:
            raise Killed(point)

    members = [writer(tmp_path, broker, fault=fault) for _ in range(2)]
    for _ in range(60):
        i = int(draws.integers(2))
        try:
            members[i].step(0)
            if draws.random() < 0.5:
                members[i].flush()  # also of one that has lost its partitions, and does not know
        except Killed:
            members[i].close()
            members[i] = writer(tmp_path, broker, fault=fault)
    for member in members:
        member.close()
    drain(writer(tmp_path, broker))
    assert archived(tmp_path) == expected(broker)


def test_one_that_was_paused_past_its_session_commits_nothing(tmp_path: Path) -> None:
    broker = topic()
    asleep = writer(tmp_path, broker)
    for _ in range(4):
        asleep.step(0)
    broker.expel(asleep._log)  # type: ignore[arg-type]
    awake = writer(tmp_path, broker)
    drain(awake)
    version = ArchiveTable(tmp_path, EVENTS).version
    asleep.flush()
    assert ArchiveTable(tmp_path, EVENTS).version == version
    drain(asleep)
    assert archived(tmp_path) == expected(broker)


def test_one_that_owns_half_does_not_take_the_others_commits_for_its_own(tmp_path: Path) -> None:
    broker = topic()
    first = writer(tmp_path, broker)
    for _ in range(4):
        first.step(0)
    second = MemoryLog(broker)  # takes one of the two partitions
    taker = Archive(tmp_path, PLAIN).writer("vitals", second, NEVER_FLUSHED_S)
    drain(taker)
    moved = first._batch.next_offsets
    assert len(moved) == 2  # it does not know yet
    first.flush()
    first.flush()
    drain(first)
    assert archived(tmp_path) == expected(broker)


def test_killed_processes_leave_nothing_missing_or_doubled(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = []
    for point in (*FAULTS, ""):
        program = (
            "from tests.trainer.archive.test_writer import run_until; import sys;"
            "run_until(sys.argv[1], sys.argv[2])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), point],
            env=environment,
            timeout=60,
            check=False,
        )
        ended.append(done.returncode)
    assert ended == [-signal.SIGKILL] * len(FAULTS) + [0]
    assert archived(tmp_path) == expected(topic())


def run_until(root: str, point: str) -> None:
    """Archives the topic; kills this process at the second occurrence of a fault point."""
    seen = 0

    def fault(name: str) -> None:
        nonlocal seen
        seen += name == point
        if seen == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    drain(writer(Path(root), topic(), fault=fault), flush_every=2)


@pytest.mark.parametrize("full", ["file", "log", "after the log"])
def test_a_full_disk_loses_and_doubles_nothing_and_the_archive_goes_on_once_there_is_room(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, now_s = topic(), [0.0]
    member = writer(tmp_path, broker, clock=lambda: now_s[0])
    other = writer(tmp_path, broker, clock=lambda: now_s[0])  # has half of the partitions
    drain(other)
    with monkeypatch.context() as patch:
        no_room = OSError(errno.ENOSPC, "No space left on device")
        if full == "file":
            patch.setattr(pq, "write_table", raising(no_room))
        elif full == "log":
            failing = raising(DeltaError("No space left on device"))
            patch.setattr(DeltaTable, "create_write_transaction", failing)
        else:  # the entry is there, and could not be put on disk
            patch.setattr(ArchiveTable, "_sync_log", raising(no_room))
        for _ in range(6):
            member.step(0)
            member.flush()
            now_s[0] += 4
        assert member.uncommitted_s >= 16  # what an alarm looks at
        assert member.n_rows == 0
    for _ in range(4):  # read on too early, as when a damaged partition's rest ends meanwhile
        member._log.resume([0, 1])
        member.step(0)
        member.flush()
    assert member.n_rows == 0
    now_s[0] += RETRY_S
    drain(member, flush_every=1)
    assert member.uncommitted_s == 0
    assert archived(tmp_path) == expected(broker)


@pytest.mark.parametrize("is_disk_full", [False, True])
def test_what_others_have_taken_over_does_not_wait_to_be_committed(
    is_disk_full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alarm would ask for help for ever: nothing is left here that a commit could follow."""
    broker, now_s = topic(), [0.0]
    member = writer(tmp_path, broker, clock=lambda: now_s[0])
    for _ in range(4):
        member.step(0)
    if is_disk_full:
        with monkeypatch.context() as patch:
            patch.setattr(pq, "write_table", raising(OSError(errno.ENOSPC, "No space left")))
            member.flush()
    now_s[0] += 100
    assert member.uncommitted_s == 100
    broker.expel(member._log)  # type: ignore[arg-type]
    others = [writer(tmp_path, broker) for _ in range(2)]  # own both partitions between them
    for other in others:
        other.step(0)
    member.step(0)
    assert member.uncommitted_s == 0
    for other in others:
        drain(other)
    drain(member)
    assert archived(tmp_path) == expected(broker)


def test_what_is_left_of_a_batch_waits_alone(tmp_path: Path) -> None:
    """Of two partitions one goes to another: its records count no more towards a full batch."""
    broker, now_s = topic(), [0.0]
    member = writer(tmp_path, broker, most=1_000, clock=lambda: now_s[0])
    for _ in range(2):
        member.step(0)
    assert member._batch.n_records == N_EVENTS
    n_bytes = member._batch.n_bytes
    taker = writer(tmp_path, broker)
    for _ in range(2):
        member.step(0)
    assert member._batch.n_records == N_EVENTS // 2
    assert member._batch.n_bytes < n_bytes
    now_s[0] += 5
    assert member.uncommitted_s == 5
    drain(member)
    drain(taker)
    assert archived(tmp_path) == expected(broker)


def test_a_disk_with_room_again_and_nothing_to_write_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the partitions that had records have gone to others meanwhile."""
    broker, now_s = MemoryBroker(1), [0.0]
    member = writer(tmp_path, broker, clock=lambda: now_s[0])
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveTable, "reload", raising(OSError(errno.EIO, "Input/output error")))
        member.step(0)
    now_s[0] += RETRY_S
    assert member.uncommitted_s == RETRY_S
    for _ in range(3):
        member.step(0)
    assert member.uncommitted_s == 0


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_topic_that_was_made_anew_begins_at_its_beginning(tmp_path: Path) -> None:
    broker = topic(1)
    drain(writer(tmp_path, broker))
    n_before = len(archived(tmp_path))
    broker.recreate()
    broker.append(0, b"p", b"{}", START_MS)
    drain(writer(tmp_path, broker))
    assert len(archived(tmp_path)) == n_before + 1


def test_files_are_on_disk_before_the_log_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    member = writer(tmp_path, topic(1), most=1000)
    member.step(0)
    member.step(0)
    monkeypatch.setattr(os, "fsync", noting)
    if not Path("/proc/self/fd").exists():
        pytest.skip("descriptors have no names here")
    member.flush()
    kinds = ["log" if "_delta_log" in name else "file" for name in synced]
    assert kinds.count("file") >= 2  # the file and its folder
    assert kinds.index("log") > len(kinds) - 1 - kinds[::-1].index("file")


def test_damage_is_said_read_again_after_a_while_and_holds_up_no_other(tmp_path: Path) -> None:
    broker, now = topic(), [0.0]
    broker.damaged.add((0, 3))
    log = MemoryLog(broker)
    archiver = Archive(tmp_path, PLAIN).writer("vitals", log, NEVER_FLUSHED_S, clock=lambda: now[0])
    with capture_logs() as logged:
        for _ in range(10):
            archiver.step(0)
    assert [line["partition"] for line in logged if line["event"] == "archive damaged"] == [0]
    archiver.flush()
    kept = expected(broker)
    assert archived(tmp_path) == [at for at in kept if at[0] == 1 or at[1] < 3]
    broker.damaged.clear()
    now[0] += 31
    drain(archiver)
    assert archived(tmp_path) == kept


def test_a_topic_that_is_made_anew_meanwhile_is_read_from_its_beginning(tmp_path: Path) -> None:
    """It may hold more than was read of the one before, so that no offset is out of its range."""
    broker = topic()
    archiver = writer(tmp_path, broker, most=1_000)
    archiver.step(0)
    archiver.step(0)
    archiver.flush()
    n_before, more = len(archived(tmp_path)), topic()
    broker.recreate()
    broker.partitions = [records * 2 for records in more.partitions]
    broker.partitions = [
        [record._replace(offset=i) for i, record in enumerate(records)]
        for records in broker.partitions
    ]
    drain(archiver)
    rows = ArchiveTable(tmp_path, EVENTS).read_all(["topic_id", "offset"])
    n_anew = listed(rows, "topic_id").count(broker.topic_id)
    assert n_before > 0
    assert n_anew == len(expected(broker))
