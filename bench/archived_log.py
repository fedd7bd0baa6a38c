"""Topics in memory with the replay of stays, and an archive that is filled from them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson

from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.core.time import HOUR_MS
from streamer.datasets.cohort import Cohort
from streamer.feeds.message import Message
from streamer.feeds.replay import replay
from trainer.archive.archive import Archive
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.writer import TopicWriter

START_MS = 1_767_225_600_000
N_PARTITIONS = 3
PLAIN = PatientNames(None)
NEVER_FLUSHED_S = 1e9


def partition_of(patient: str) -> int:
    """The partition of a patient's records."""
    return zlib.crc32(patient.encode()) % N_PARTITIONS


def brokers(messages: Iterable[Message]) -> dict[str, MemoryBroker]:
    """The topics of a feed; a last event, four days on, makes all stays mature."""
    topics = {name: MemoryBroker(N_PARTITIONS) for name in ("vitals", "outcomes")}
    due_ms = START_MS
    for message in messages:
        due_ms = message.due_ms
        value = orjson.dumps(message.value)
        topics[message.topic].append(partition_of(message.key), message.key.encode(), value, due_ms)
    later_ms = due_ms + 96 * HOUR_MS
    event = {"patient_id": "clock", "time": later_ms, "values": {}}
    topics["vitals"].append(partition_of("clock"), b"clock", orjson.dumps(event), later_ms)
    return topics


def shuffled(cohort: Cohort, seed: int) -> list[Message]:
    """The replay of a cohort, its observations up to 40 h late and sent one to three times."""
    draws = np.random.default_rng(seed)
    messages: list[tuple[int, Message]] = []
    for message in replay(cohort, START_MS, admissions_per_hour=20):
        is_observation = message.value["type"] == "observation"
        for _ in range(int(draws.integers(1, 4)) if is_observation else 1):
            late_ms = int(draws.integers(0, 40 * HOUR_MS)) if is_observation else 0
            messages.append((message.due_ms + late_ms, message))
    messages.sort(key=lambda entry: entry[0])
    return [
        Message(due_ms, message.topic, message.key, message.value) for due_ms, message in messages
    ]


def drain(writer: TopicWriter, flush_every: int = 0) -> None:
    """Archives all that is left of a topic, and leaves the group."""
    writer.step(0)
    n_polls = 0
    while writer.step(0):
        n_polls += 1
        if flush_every and n_polls % flush_every == 0:
            writer.flush()
    writer.flush()
    writer.close()


def archive(
    root: Path, topics: dict[str, MemoryBroker], names: PatientNames = PLAIN, cut_after: int = 0
) -> Archive:
    """Archives all topics into a folder.

    Args:
        root: of the archive.
        topics: by name.
        names: of the patients.
        cut_after: polls after which a first archiver is cut off, with a batch that it has not
            written; 0: there is no such archiver.
    """
    kept = Archive(root, names)
    for topic, broker in topics.items():
        if cut_after:
            cut = MemoryLog(broker)
            first = kept.writer(topic, cut, NEVER_FLUSHED_S)
            for number in range(cut_after):
                first.step(0)
                if number == cut_after // 2:
                    first.flush()
            broker.expel(cut)
        drain(kept.writer(topic, MemoryLog(broker), NEVER_FLUSHED_S))
    return kept
