"""Faults of the broker, and of the settings of a topic."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError

from bench.broken_records import plant_unknown_codec, send_bomb
from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from streamer.local import LocalStack
from streamer.service.settings import Settings

REFUSES: Final = "broker refuses all risks"
UNKNOWN_CODEC: Final = "a batch of an unknown codec"
BOMB: Final = "400 MB in 400 KB of gzip"
KINDS: Final = (
    "broker stopped and started",
    "broker killed (-9)",
    "broker frozen",
    REFUSES,
    UNKNOWN_CODEC,
    BOMB,
)
# No risk is as small, so no transaction goes through; and what a broker has by default.
_TOO_FEW_BYTES, _DEFAULT_BYTES = "100", "1048588"


class BrokerLane(FaultLane):
    """Stops, kills or freezes the broker, or lets it refuse what the services write."""

    def __init__(
        self,
        seed: int,
        stack: LocalStack,
        settings: Settings,
        rest_s: tuple[float, float],
        tally: Tally,
    ) -> None:
        super().__init__("broker", seed, deck(seed, "broker", KINDS), rest_s, tally)
        self._stack = stack
        self._server = stack.kafka_server
        self._settings = settings

    def strike(self, kind: str) -> str | None:
        """See ``FaultLane``."""
        match kind:
            case "broker stopped and started":
                self._server.restart()
            case "broker killed (-9)":
                self._server.kill()
                self._server.start()
            case "broker frozen":
                os.kill(self._server.pid, signal.SIGSTOP)
                try:
                    time.sleep(self.draws.uniform(1, 5))
                finally:
                    os.kill(self._server.pid, signal.SIGCONT)
            case "a batch of an unknown codec":
                return kind if self._plant() else None
            case "400 MB in 400 KB of gzip":
                return kind if self._send_bomb() else None
            case _:
                self._most_bytes(_TOO_FEW_BYTES)
                try:
                    time.sleep(self.draws.uniform(5, 15))
                finally:
                    self._most_bytes(_DEFAULT_BYTES)
        return kind

    def _plant(self) -> bool:
        number = self.draws.randrange(self._settings.partitions)
        try:
            plant_unknown_codec(
                self._stack, self._settings, number, int(time.time() * 1000), "chaos-planter"
            )
        except KafkaError:  # aborted then, so no reader sees it
            return False
        return True

    def _send_bomb(self) -> bool:
        connection, topic = self._settings.kafka_connection(), self._settings.topic_vitals
        number = self.draws.randrange(self._settings.partitions)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            try:
                apart.submit(send_bomb, connection, topic, number).result()
            except KafkaError:  # whether it arrived or not: it is marked
                return False
        return True

    def _most_bytes(self, most: str) -> None:
        topic = ConfigResource("TOPIC", self._settings.topic_risk, {"max.message.bytes": most})
        with contextlib.closing(KafkaAdminClient(**self._settings.kafka_connection())) as admin:
            admin.alter_configs([topic])
