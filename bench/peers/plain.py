"""The loop that a team would write first: poll, one patient at a time, Redis, send, commit.

At least once: states and messages are out before the offsets are committed, so what is redone
after a crash steps the state twice. Patients are kept in memory and read from Redis when they are
first seen; what a poll has changed goes there in one pipeline, which is what a team would come to
after it has timed a `SET` per event.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from redis import Redis

from bench.peers.peer_config import MOST_AT_ONCE, PeerConfig
from bench.peers.work import Bedside, Kept, bedside


class Patients:
    """The patients seen by this consumer, and their place in Redis."""

    def __init__(self, bed: Bedside[Any], redis: Redis, prefix: str) -> None:
        self._bed = bed
        self._redis = redis
        self._prefix = prefix
        self._known: dict[bytes, Kept] = {}

    def of(self, key: bytes) -> Kept:
        """The patient, from memory, from Redis, or new."""
        patient = self._known.get(key)
        if patient is None:
            packed = self._redis.get(self._name(key))
            patient = self._bed.open(packed if isinstance(packed, bytes) else None)
            self._known[key] = patient
        return patient

    def keep(self, keys: set[bytes]) -> None:
        """Writes these patients."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.set(self._name(key), self._known[key].to_bytes())
        pipeline.execute()

    def _name(self, key: bytes) -> str:
        return f"{self._prefix}:{key.decode()}"


def run(config: PeerConfig, stop: threading.Event) -> None:
    """Polls until told to stop."""
    consumer = KafkaConsumer(
        config.vitals,
        bootstrap_servers=config.kafka,
        group_id=config.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=MOST_AT_ONCE,
    )
    producer = KafkaProducer(bootstrap_servers=config.kafka, linger_ms=5)
    bed = bedside(config)
    patients = Patients(bed, Redis.from_url(config.redis), config.group)
    with contextlib.closing(consumer), contextlib.closing(producer):
        while not stop.is_set():
            changed = set()
            for records in consumer.poll(timeout_ms=100).values():
                for record in records:
                    patient = patients.of(record.key)
                    risk = bed.take(patient, record.value, record.partition, record.offset)
                    if risk is not None:
                        producer.send(config.risk, risk, record.key)
                    changed.add(record.key)
            if changed:
                patients.keep(changed)
                producer.flush()
                consumer.commit()


def main() -> None:
    """Runs until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(PeerConfig.read(), stop)


if __name__ == "__main__":
    main()
