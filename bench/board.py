"""Measures how soon a restarted board knows a ward of 1,000 patients, and the memory it takes.

    python -m bench.board [--patients 1000] [--hours 25] [--alert-days 30]

It writes the topics as a service that has run for so long leaves them, on a Kafka of its own: a
risk a minute of each patient, alerts with their answers, a record of each stay. Older risks than a
day do not change what a board reads: it asks for offsets by time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import psutil

from bench.machine import describe
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.kafka.options import BATCH_BYTES
from streamer.adapters.kafka.producer import BatchProducer
from streamer.adapters.kafka.topics import TopicSpec
from streamer.core.time import DAY_MS, HOUR_MS, MINUTE_MS, rfc3339
from streamer.local import LocalStack
from streamer.ports.log import Output
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_PORTS: Final = (18_080, 18_081)
_DEADLINE_S: Final = 120.0
_STARTS_PER_PATIENT_DAY: Final = 0.3
BOARD: Final = (sys.executable, "-m", "streamer", "board")


Content = Mapping[str, object]  # of a card


class Size(NamedTuple):
    """How much is written."""

    patients: int
    hours: int
    alert_days: int


class Start(NamedTuple):
    """One board that was started: seconds to a full snapshot, MiB then, and its cards."""

    seconds: float
    memory_mib: float
    cards: list[Content]


def main() -> int:
    """Measures and prints Markdown; exits with 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.board", description=__doc__)
    parser.add_argument("--patients", type=int, default=1_000, help="patients on the ward")
    parser.add_argument("--hours", type=int, default=25, help="hours of risks, one a minute each")
    parser.add_argument("--alert-days", type=int, default=30, help="days of alerts")
    arguments = parser.parse_args()
    size = Size(arguments.patients, arguments.hours, arguments.alert_days)
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        variables = environment(
            stack, "bench-", board_auth="none", board_http_port=0, log_format="console"
        )
        settings = settings_of(variables)
        ensure_topics(settings)
        ensure_topics(settings, [TopicSpec(settings.topic_stays, settings.partitions, {})])
        began = time.monotonic()
        n_records = fill(settings, size, time.time_ns() // 1_000_000)
        written_s = time.monotonic() - began
        boards = [start_board(variables, port, Path(folder), size) for port in _PORTS]
    first, second = boards
    equal = first.cards == second.cards
    print(
        f"{describe()}\n\n{size.patients} patients, {n_records:,} records "
        f"(written in {written_s:.0f} s):\n\n"
        "| board | first full snapshot | memory |\n|---|---|---|"
    )
    for name, board in (("first", first), ("second", second)):
        print(f"| {name} | {board.seconds:.1f} s | {board.memory_mib:.0f} MiB |")
    print(f"\nCards of both are {'equal' if equal else 'NOT equal'}.")
    kept = equal and all(b.seconds < 5 and b.memory_mib < 300 for b in boards)
    return 0 if kept else 1


def fill(settings: Settings, size: Size, now_ms: int) -> int:
    """Writes the topics; returns the number of records.

    All in one transaction: the marker of a transaction has the time of its writing, and markers of
    today among records of yesterday would mislead the broker's search by time.
    """
    n_records = 0
    producer = BatchProducer(
        **settings.kafka_connection(),
        transactional_id="bench",
        transaction_timeout_ms=600_000,
        batch_size=BATCH_BYTES,
    )
    with contextlib.closing(producer):
        producer.init_transactions()
        producer.begin_transaction()
        for n_batches, (stamp_ms, outputs) in enumerate(batches(settings, size, now_ms)):
            producer.send_all(outputs, stamp_ms)
            n_records += len(outputs)
            if n_batches % 20 == 0:  # 12 MB wait at most
                producer.flush()
        producer.flush()
        producer.commit_transaction()
    return n_records


def batches(settings: Settings, size: Size, now_ms: int) -> Iterator[tuple[int, list[Output]]]:
    """Yields the records of each minute or day with their time, oldest first."""
    ids = [f"patient-{i:05d}" for i in range(size.patients)]
    width = settings.partitions
    for day in range(size.alert_days, 0, -1):
        outputs = []
        for i, patient in enumerate(ids):
            if (i * 7 + day * 3) % 10 < _STARTS_PER_PATIENT_DAY * 10:
                for content in _episode(patient, now_ms - day * DAY_MS + i * 60_000):
                    outputs.append(_output(settings.topic_alerts, patient, i % width, content))
        yield now_ms - day * DAY_MS, outputs
    stays = [
        _output(settings.topic_stays, patient, i % width, _stay(patient, i, now_ms))
        for i, patient in enumerate(ids)
    ]
    yield now_ms, stays
    for minute in range(size.hours * 60, 0, -1):
        time_ms = now_ms - minute * MINUTE_MS
        yield (
            time_ms,
            [
                _output(settings.topic_risk, patient, i % width, _risk(patient, i, minute, time_ms))
                for i, patient in enumerate(ids)
            ],
        )


def start_board(variables: dict[str, str], port: int, folder: Path, size: Size) -> Start:
    """Starts a board, waits for all cards, and ends it."""
    log = folder / f"board-{port}.log"
    board = ServiceProcess(variables, log, f"--port={port}", command=BOARD)
    began = time.monotonic()
    with running([board]):
        while len(cards := _cards(port)) < size.patients:
            if time.monotonic() - began > _DEADLINE_S:
                raise RuntimeError(f"{len(cards)} of {size.patients} cards: {board.log[-2000:]}")
            time.sleep(0.1)
        seconds = time.monotonic() - began
        memory = psutil.Process(board.pid).memory_info().rss
    return Start(seconds, memory / 2**20, cards)


def _cards(port: int) -> list[Content]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/board", timeout=10) as answer:
            cards: list[Content] = json.load(answer)["cards"]
    except OSError:
        return []
    return cards


def _output(topic: str, patient: str, partition: int, content: object) -> Output:
    return Output(topic, partition, patient.encode(), orjson.dumps(content), ())


def _stay(patient: str, index: int, now_ms: int) -> dict[str, object]:
    return {
        "patient_id": patient, "label": f"Label {index}", "ward": f"W{index // 60}",
        "bed": str(index % 60 + 1), "age": 61, "sex": "female",
        "admitted": rfc3339(now_ms - 3 * DAY_MS), "discharged": None, "pause": None, "alert": None,
        "antibiotic_since": None, "time": rfc3339(now_ms), "model": "3fa9c1d20b77",
        "partition": index % 8, "offset": 0,
    }  # fmt: skip


def _risk(patient: str, index: int, minute: int, time_ms: int) -> dict[str, object]:
    risk = round(0.01 + (index * 31 + minute) % 97 / 2000, 4)
    return {
        "patient_id": patient, "time": rfc3339(time_ms), "bin": 60 - minute // 60, "risk": risk,
        "horizons": {"6h": risk, "24h": risk, "48h": risk}, "threshold": 0.024,
        "positive": risk > 0.024, "qsofa": 1,
        "data": {"hours_of_data": 38, "oldest_vital_minutes": 12, "values_missing": ["lactate"]},
        "news2": 5,
        "last": {"heart_rate": [112, 3], "map": [71, 3], "sbp": [98, 3], "resp_rate": [22, 3],
                 "spo2": [95, 3], "temperature": [38.4, 62], "lactate": [2.4, 190],
                 "wbc": [14.2, 190]},
        "model": "3fa9c1d20b77", "partition": index % 8, "offset": 10_000_000 - minute,
    }  # fmt: skip


def _episode(patient: str, start_ms: int) -> Iterator[dict[str, object]]:
    """An alert that starts, is acknowledged, and ends."""
    for phase, hours, state in (
        ("start", 0.0, "open"), ("acknowledge", 0.1, "acknowledged"), ("end", 3.0, "closed"),
    ):  # fmt: skip
        time_ms = start_ms + round(hours * HOUR_MS)
        yield {
            "alert_id": f"{patient}/{rfc3339(start_ms)}/1", "patient_id": patient,
            "time": rfc3339(time_ms), "phase": phase, "severity": "medium", "risk": 0.031,
            "threshold": 0.0268, "horizon_hours": 6, "news2": 5, "model": "3fa9c1d20b77",
            "reasons": [
                {"variable": name, "value": 4.1, "unit": "mmol/L", "age_minutes": 25,
                 "direction": "high", "contribution": 0.62}
                for name in ("lactate", "heart_rate", "resp_rate", "temperature", "wbc")
            ],
            "partition": 0, "offset": start_ms % 1_000_000, "revision": 1,
            "acknowledged": int(phase != "start"), "state": state, "by": {"user": "a.nurse"},
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
