"""Quix Streams: exactly once, RocksDB with a changelog topic, the state as bytes."""

from __future__ import annotations

from typing import Any

from quixstreams import Application, message_context

from bench.peers.peer_config import COMMIT_EVERY_S, PeerConfig
from bench.peers.work import patient_scorer


def main() -> None:
    """Runs until SIGTERM."""
    config = PeerConfig.read()
    scorer = patient_scorer(config)
    app = Application(
        broker_address=config.kafka,
        consumer_group=config.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_EVERY_S,
        state_dir=config.path("quix"),
        auto_create_topics=True,  # the changelog
        loglevel="WARNING",
    )
    vitals = app.topic(config.vitals, value_deserializer="bytes", key_deserializer="bytes")
    risk = app.topic(config.risk, value_serializer="bytes", key_serializer="bytes")

    def score(value: bytes, state: Any) -> bytes | None:
        packed = state.get_bytes("patient")
        patient = scorer.open(packed)
        record = message_context()
        message = scorer.take(patient, value, record.partition, record.offset)
        state.set_bytes("patient", patient.to_bytes())
        return message

    frame = app.dataframe(vitals).apply(score, stateful=True)
    frame = frame.filter(lambda message: message is not None)
    frame.to_topic(risk)
    app.run()


if __name__ == "__main__":
    main()
