"""Archivers that are killed: is each record of the topic in the archive once, as it was sent?

Two `trainer archive run` share the topic of a simulated ward on a Kafka of this machine. One of
them is killed (SIGKILL) again and again while records come, and small files are merged beside
them, which is killed, too. In the end the rows are read by pyarrow and the JSON of `_delta_log`
alone, without Delta's own reader, and compared with the topic.

    python -m bench.archive_kills --events 200000 --kills 10
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow.parquet as pq
from kafka import KafkaConsumer, TopicPartition

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.core.events import milliseconds
from streamer.core.variables import INDEX
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.local import LocalStack
from streamer.process.terminal import say
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from streamer.sim.scenario import Scenario
from streamer.sim.ward import ward

PARTITIONS: Final = 4
_ARCHIVE: Final = (sys.executable, "-m", "trainer", "archive")
_DEADLINE_S: Final = 120.0
_SESSION_MS: Final = 6_000  # the least that brokers allow: a killed archiver is missed so long
_KILL_S: Final = (3.0, 10.0)
_LEAST_AN_HOUR: Final = 10  # records of a bed; it sends some twelve
_MOST_HOURS: Final = 20 * 24

RecordId = tuple[int, int]  # partition and offset
Content = dict[str, Any]  # of an event


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of an archive with its topic.

    Attributes:
        n_rows: rows of the archive.
        missing: records without a row.
        doubled: records with more than one.
        different: records whose row has another patient, time or value.
    """

    n_rows: int
    missing: int
    doubled: int
    different: int

    @property
    def is_right(self) -> bool:
        """Whether each record has its one row."""
        return not (self.missing or self.doubled or self.different)


def live_files(table: Path) -> list[Path]:
    """The files of the newest version of a table, by the JSON of its log.

    A file that is added and removed by later entries is gone; paths in the log are percent-encoded
    only where a name needs it, and ours do not.
    """
    paths: set[str] = set()
    for entry in sorted((table / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                paths.add(action["add"]["path"])
            if "remove" in action:
                paths.discard(action["remove"]["path"])
    return [table / path for path in sorted(paths)]


def compare(rows: Iterator[Content], sent: dict[RecordId, Content]) -> Comparison:
    """Compares rows of `events` with the records of the topic by partition and offset."""
    counted: Counter[RecordId] = Counter()
    different = 0
    for row in rows:
        record_id = row["partition"], row["offset"]
        counted[record_id] += 1
        different += record_id in sent and not _is_same(row, sent[record_id])
    missing = sum(record_id not in counted for record_id in sent)
    doubled = sum(times - 1 for times in counted.values())
    unknown = sum(record_id not in sent for record_id in counted)
    return Comparison(counted.total(), missing, doubled, different + unknown)


def _is_same(row: Content, event: Content) -> bool:
    if row["patient"] != event["patient_id"] or row["kind"] != event["type"]:
        return False
    values = {name: value for name, value in event.get("values", {}).items() if name in INDEX}
    kept = {name: row[name] for name in INDEX if row[name] is not None}
    time_ms = round(row["time"].timestamp() * 1000)
    return kept == values and time_ms == milliseconds(event["time"])


def rows_of(files: Sequence[Path]) -> Iterator[Content]:
    """Rows of files, one file in memory at a time."""
    for file in files:
        columns = ["partition", "offset", "patient", "kind", "time", *INDEX]
        with pq.ParquetFile(file) as content:
            yield from content.read(columns=columns).to_pylist()


def records_of(settings: Settings) -> dict[RecordId, Content]:
    """What the topic of the vitals holds."""
    consumer = KafkaConsumer(**settings.kafka_connection(), enable_auto_commit=False)
    sent: dict[RecordId, Content] = {}
    topic = settings.topic_vitals
    partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(timeout_ms=500, max_records=5000).values():
            for record in records:
                sent[record.partition, record.offset] = orjson.loads(record.value)
    consumer.close()
    return sent


def main(arguments: Sequence[str]) -> int:
    """Runs the trial and prints the comparison; 1 unless every record has its one row."""
    parser = argparse.ArgumentParser(prog="python -m bench.archive_kills", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--per-second", type=float, default=2_500, help="records sent a second")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with LocalStack() as stack, tempfile.TemporaryDirectory(prefix="vigil-kills-") as name:
        folder = Path(name)
        variables = environment(
            stack, "", partitions=PARTITIONS, kafka_session_timeout_ms=_SESSION_MS
        ) | {
            "TRAINER_ARCHIVE": str(folder / "archive"),
            "TRAINER_ARCHIVE_IDS": "plain",
            "TRAINER_ARCHIVE_FLUSH_S": "0.2",
            "TRAINER_HTTP_PORT": "0",
        }
        settings = settings_of({k: v for k, v in variables.items() if not k.startswith("TRAINER_")})
        ensure_topics(settings)
        done = threading.Event()
        sending = threading.Thread(
            target=_send, args=(settings, options.events, options.per_second, done)
        )
        archivers = [
            ServiceProcess(variables, folder / f"{i}.log", "run", command=_ARCHIVE)
            for i in range(2)
        ]
        tidying = ServiceProcess(variables, folder / "tidy.log", "tidy", command=_ARCHIVE)
        began = time.monotonic()
        sending.start()
        with running(archivers):
            n_tidied = _kill(archivers, tidying, options.kills, random.Random(options.seed))
            sending.join()
            sent = records_of(settings)
            _until_archived(folder / "archive" / "events", len(sent))
        tidying.stop()
        files = live_files(folder / "archive" / "events")
        comparison = compare(rows_of(files), sent)
        n_versions = len(list((folder / "archive/events/_delta_log").glob("*.json")))
    say(
        f"{len(sent):,} of {options.events:,} records, {options.kills} kills of archivers, "
        f"{n_tidied} merges beside, {n_versions} commits, "
        f"{time.monotonic() - began:.0f} s: {comparison.n_rows:,} rows, "
        f"{comparison.missing} missing, {comparison.doubled} doubled, "
        f"{comparison.different} different"
    )
    return 0 if comparison.is_right and len(sent) == options.events else 1


def _send(settings: Settings, n: int, per_second: float, done: threading.Event) -> None:
    """Sends the first records of a ward, at a steady rate."""
    began, count = time.monotonic(), itertools.count(1)

    def paced() -> Iterator[Message]:
        beds = _beds(n)
        feed = ward(
            Scenario(beds=beds, vitals_every_s=300, hours=100_000, start_ms=_start_ms(n, beds))
        )
        vitals = (message for message in feed if message.topic == "vitals")
        for message in itertools.islice(vitals, n):
            late_s = began + next(count) / per_second - time.monotonic()
            if late_s > 0.05:
                time.sleep(late_s)
            yield message

    publish(
        paced(),
        settings.kafka_connection(),
        {"vitals": settings.topic_vitals},
        speed=None,
        stop=done,
        progress=lambda _n, _ms: None,
    )


def _beds(n: int) -> int:
    """So many that ``n`` records are those of days: the topic drops what is older than a month."""
    return max(40, math.ceil(n / _LEAST_AN_HOUR / _MOST_HOURS))


def _start_ms(n: int, beds: int) -> int:
    """So early that the last record is in the past."""
    hours = n / beds / _LEAST_AN_HOUR + 24
    return int(time.time() * 1000) - round(hours * 3_600_000)


def _kill(
    archivers: Sequence[ServiceProcess], tidying: ServiceProcess, n: int, draws: random.Random
) -> int:
    """Kills and restarts archivers in turn; begins a merge each time, and kills every other one."""
    time.sleep(_KILL_S[1])  # a first commit
    for number in range(n):
        tidying.start()
        time.sleep(draws.uniform(*_KILL_S))
        if number % 2 and tidying.exit_code is None:
            tidying.kill()
        else:
            tidying.stop()
        victim = archivers[number % len(archivers)]
        victim.kill()
        victim.start()
    return n


def _until_archived(table: Path, n: int) -> None:
    """Waits until as many rows are committed as records were sent."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        if sum(pq.read_metadata(file).num_rows for file in live_files(table)) >= n:
            return
        time.sleep(1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    sys.exit(main(sys.argv[1:]))
