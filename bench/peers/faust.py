"""Faust (faust-streaming): exactly once, a table of bytes with its changelog in RocksDB."""

from __future__ import annotations

from typing import Any

import faust

from bench.peers.peer_config import COMMIT_EVERY_S, PeerConfig
from bench.peers.work import patient_scorer


def build(config: PeerConfig) -> Any:
    """Builds the application."""
    scorer = patient_scorer(config)
    app = faust.App(
        config.group,
        broker=f"kafka://{config.kafka}",
        store="rocksdb://",
        datadir=config.path("faust"),
        processing_guarantee="exactly_once",
        broker_commit_interval=COMMIT_EVERY_S,
        topic_partitions=config.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        stream_wait_empty=False,
    )
    vitals = app.topic(config.vitals, key_type=bytes, value_type=bytes)
    risk = app.topic(config.risk, key_type=bytes, value_type=bytes)
    patients = app.Table("patients", partitions=config.partitions, key_type=bytes, value_type=bytes)

    @app.agent(vitals)  # type: ignore[untyped-decorator]  # faust has an environment of its own
    async def score(stream: Any) -> None:
        async for event in stream.events():
            packed = patients.get(event.key)
            patient = scorer.open(packed)
            record = event.message
            message = scorer.take(patient, event.value, record.partition, record.offset)
            patients[event.key] = patient.to_bytes()
            if message is not None:
                await risk.send(key=event.key, value=message)

    return app


def main() -> None:
    """Runs until SIGTERM."""
    app = build(PeerConfig.read())
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
