"""Faust (faust-streaming): exactly once, a table of bytes with its changelog in RocksDB."""

from __future__ import annotations

from typing import Any

import faust

from bench.peers.told import COMMIT_EVERY_S, Told
from bench.peers.work import bedside


def build(told: Told) -> Any:
    """Builds the application."""
    bed = bedside(told)
    app = faust.App(
        told.group,
        broker=f"kafka://{told.kafka}",
        store="rocksdb://",
        datadir=told.path("faust"),
        processing_guarantee="exactly_once",
        broker_commit_interval=COMMIT_EVERY_S,
        topic_partitions=told.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        stream_wait_empty=False,
    )
    vitals = app.topic(told.vitals, key_type=bytes, value_type=bytes)
    risk = app.topic(told.risk, key_type=bytes, value_type=bytes)
    patients = app.Table("patients", partitions=told.partitions, key_type=bytes, value_type=bytes)

    @app.agent(vitals)  # type: ignore[untyped-decorator]  # faust has an environment of its own
    async def score(stream: Any) -> None:
        async for event in stream.events():
            packed = patients.get(event.key)
            patient = bed.open(packed)
            place = event.message
            message = bed.take(patient, event.value, place.partition, place.offset)
            patients[event.key] = patient.to_bytes()
            if message is not None:
                await risk.send(key=event.key, value=message)

    return app


def main() -> None:
    """Runs until SIGTERM."""
    app = build(Told.read())
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
