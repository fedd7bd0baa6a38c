"""The plain loop that a team would write first: poll, score each event, Redis, send, commit.

At least once: states and messages are written before the offsets are committed, so events redone
after a crash step the state twice. Patients are kept in memory and read from Redis when they are
first seen. The patients that a poll has changed are written in one pipeline, as a team would do
after timing a `SET` per event.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from redis import Redis

from bench.peers.peer_config import MAX_BATCH, PeerConfig
from bench.peers.work import PatientScorer, PatientState, patient_scorer


class Patients:
    """The patients seen by this consumer, in memory and in Redis."""

    def __init__(self, scorer: PatientScorer[Any], redis: Redis, prefix: str) -> None:
        self._scorer = scorer
        self._redis = redis
        self._prefix = prefix
        self._patients: dict[bytes, PatientState] = {}

    def get(self, key: bytes) -> PatientState:
        """The patient, from memory, from Redis, or new."""
        patient = self._patients.get(key)
        if patient is None:
            packed = self._redis.get(self._name(key))
            patient = self._scorer.open(packed if isinstance(packed, bytes) else None)
            self._patients[key] = patient
        return patient

    def save(self, keys: set[bytes]) -> None:
        """Writes these patients."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.set(self._name(key), self._patients[key].to_bytes())
        pipeline.execute()

    def _name(self, key: bytes) -> str:
        return f"{self._prefix}:{key.decode()}"


def run(config: PeerConfig, stop: threading.Event) -> None:
    """Polls until ``stop`` is set."""
    consumer = KafkaConsumer(
        config.vitals,
        bootstrap_servers=config.kafka,
        group_id=config.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=MAX_BATCH,
    )
    producer = KafkaProducer(bootstrap_servers=config.kafka, linger_ms=5)
    scorer = patient_scorer(config)
    patients = Patients(scorer, Redis.from_url(config.redis), config.group)
    with contextlib.closing(consumer), contextlib.closing(producer):
        while not stop.is_set():
            changed = set()
            for records in consumer.poll(timeout_ms=100).values():
                for record in records:
                    patient = patients.get(record.key)
                    risk = scorer.take(patient, record.value, record.partition, record.offset)
                    if risk is not None:
                        producer.send(config.risk, risk, record.key)
                    changed.add(record.key)
            if changed:
                patients.save(changed)
                producer.flush()
                consumer.commit()


def main() -> None:
    """Runs until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(PeerConfig.read(), stop)


if __name__ == "__main__":
    main()
