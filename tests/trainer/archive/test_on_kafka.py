"""The archive on a real Kafka: two processes, one killed; stays are those of the files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.services import environment, settings_of
from streamer.core.time import HOUR_MS
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.feeds.replay import replay
from streamer.local import LocalStack
from streamer.service.topics import ensure_topics
from tests.support.synthetic_cohort import learnable_file
from tests.support.wait import wait_until
from trainer.archive.arrow import listed
from trainer.archive.delta_table import ArchiveTable, NoTable
from trainer.archive.fold import fold
from trainer.archive.schemas import EVENTS, OUTCOMES, TableSpec
from trainer.data.cohort import fingerprint, load_cohort


def n_archived(root: Path, spec: TableSpec = EVENTS) -> int:
    try:
        return ArchiveTable(root, spec).read_all(["offset"]).num_rows
    except NoTable:
        return 0


@pytest.mark.integration
def test_stays_on_kafka_are_archived_once_though_a_writer_is_killed(
    stack: LocalStack, topic_prefix: str, tmp_path: Path
) -> None:
    variables = environment(stack, topic_prefix, partitions=3, kafka_session_timeout_ms=6_000)
    settings = settings_of(variables)
    ensure_topics(settings)
    read = load_cohort([learnable_file(tmp_path, 40)])
    start_ms = int(time.time() * 1000) - 240 * HOUR_MS
    feed = list(replay(read, start_ms))
    clock = {"patient_id": "clock", "time": feed[-1].due_ms + 96 * HOUR_MS, "values": {}}
    feed.append(Message(feed[-1].due_ms + 96 * HOUR_MS, "vitals", "clock", clock))
    publish(
        feed,
        settings.kafka_connection(),
        {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes},
        speed=None,
        stop=threading.Event(),
        progress=lambda _n, _ms: None,
    )
    n_events = sum(message.topic == "vitals" for message in feed)
    root = tmp_path / "archive"
    command = [sys.executable, "-m", "trainer", "archive", "run"]
    surroundings = os.environ | variables | {
        "PYTHONPATH": os.pathsep.join(sys.path), "TRAINER_ARCHIVE": str(root),
        "TRAINER_ARCHIVE_IDS": "plain", "TRAINER_ARCHIVE_FLUSH_S": "0",
        "TRAINER_GROUP": f"{topic_prefix}archive", "TRAINER_HTTP_PORT": "0",
    }  # fmt: skip
    running = [subprocess.Popen(command, env=surroundings) for _ in range(2)]
    try:
        wait_until(lambda: n_archived(root) > 0, 60, "the first commit")
        running[0].send_signal(signal.SIGKILL)
        wait_until(lambda: n_archived(root) == n_events, 60, "all events")
        wait_until(lambda: n_archived(root, OUTCOMES) == len(read), 60, "all outcomes")
        running[1].send_signal(signal.SIGTERM)
        assert running[1].wait(30) == 0
    finally:
        for process in running:
            process.kill()
            process.wait(10)
    rows = ArchiveTable(root, EVENTS).read_all(["partition", "offset"])
    places = list(zip(listed(rows, "partition"), listed(rows, "offset"), strict=True))
    assert len(set(places)) == len(places) == n_events
    assert fold(root).n_stays == len(read)
    assert fingerprint(load_cohort([Path(f"archive:{root}")])) == fingerprint(read)
