"""Faults of the broker."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

from bench.chaos.lane import Lane, deck
from bench.chaos.tally import Tally
from streamer.local import LocalStack

KINDS: Final = ("broker stopped and started", "broker killed (-9)", "broker frozen")


class BrokerLane(Lane):
    """Stops, kills or freezes the broker."""

    def __init__(
        self, seed: int, stack: LocalStack, rest_s: tuple[float, float], tally: Tally
    ) -> None:
        super().__init__("broker", seed, deck(seed, "broker", KINDS), rest_s, tally)
        self._server = stack.kafka_server

    def strike(self, kind: str) -> str:
        """See ``Lane``."""
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
        return kind
