"""Bytewax: a stateful step by patient, its recovery store (SQLite), Kafka in and out.

At least once: the Kafka sink writes as it goes, the recovery store is snapshotted by epoch, so
messages after the last epoch are sent again after a crash.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulLogic
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from bench.peers.peer_config import COMMIT_EVERY_S, MAX_BATCH, PeerConfig
from bench.peers.work import PatientScorer, patient_scorer


class PatientLogic(StatefulLogic):  # type: ignore[misc]  # bytewax has an environment of its own
    """One patient of the flow."""

    def __init__(self, scorer: PatientScorer[Any], packed: bytes | None) -> None:
        self._scorer = scorer
        self._patient = scorer.open(packed)

    def on_item(self, value: Any) -> tuple[Iterable[bytes], bool]:
        """Takes an event; returns the risk message, if one is due."""
        risk = self._scorer.take(self._patient, value.value, value.partition, value.offset)
        return (() if risk is None else (risk,)), StatefulLogic.RETAIN

    def snapshot(self) -> bytes:
        """Packs the state for the recovery store."""
        packed: bytes = self._patient.to_bytes()
        return packed


def flow(config: PeerConfig) -> Dataflow:
    """Builds the dataflow."""
    scorer = patient_scorer(config)
    dataflow = Dataflow("vigil")
    vitals = kafka.input(
        "vitals", dataflow, brokers=[config.kafka], topics=[config.vitals],
        # of each partition; with the default of 1,000 a risk waits seconds for other work
        batch_size=MAX_BATCH // config.partitions,
    )  # fmt: skip
    keyed = op.key_on("patient", vitals.oks, lambda message: message.key.decode())
    risks = op.stateful("score", keyed, lambda packed: PatientLogic(scorer, packed))
    messages = op.map("message", risks, lambda pair: KafkaSinkMessage(pair[0].encode(), pair[1]))
    # murmur2 as in all engines: outputs share the partition of their input
    kafka.output(
        "risk", messages, brokers=[config.kafka], topic=config.risk,
        add_config={"partitioner": "murmur2_random", "linger.ms": "5"},
    )  # fmt: skip
    return dataflow


def main() -> None:
    """Runs until SIGTERM."""
    config = PeerConfig.read()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    store = config.path("bytewax")
    if not any(store.iterdir()):
        init_db_dir(store, 1)
    cli_main(
        flow(config),
        epoch_interval=timedelta(seconds=COMMIT_EVERY_S),
        recovery_config=RecoveryConfig(store),
    )


if __name__ == "__main__":
    main()
