"""The in-memory twin of `adapters.kafka.canary`, on the broker of `adapters.memory.log`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal
from zlib import crc32

from streamer.adapters.memory.log import MemoryBroker
from streamer.ports.canary import Heard, Widths
from streamer.ports.log import LogUnavailable


class MemoryCanaryLog:
    """See ``CanaryLog``; it never waits.

    Args:
        broker: of the service.
        risk: name of the topic of risks.
        alerts: name of the topic of alerts.

    Attributes:
        available: set false to simulate a log that does not answer.
        canary_width: partitions of the canary's topics; ``None``: as many as the input has.
        deaf_to: a topic of which nothing is heard.
        clock_ms: gives the timestamps of records; ``None``: as the broker does.
    """

    def __init__(self, broker: MemoryBroker, risk: str, alerts: str) -> None:
        self._broker = broker
        kinds: dict[str, Literal["risk", "alert"]] = {risk: "risk", alerts: "alert"}
        self._kinds = kinds
        self._next: int | None = None
        self._width = 0
        self.available = True
        self.canary_width: int | None = None
        self.deaf_to = ""
        self.clock_ms: Callable[[], int] | None = None

    def widths(self) -> Widths:
        """See ``CanaryLog``."""
        self._ask()
        if self._next is None:
            self._next = len(self._broker.outputs)
        self._width = len(self._broker.partitions)
        return Widths(self._width, self._width if self.canary_width is None else self.canary_width)

    def partition_of(self, key: bytes) -> int:
        """See ``CanaryLog``."""
        return crc32(key) % self._width

    def send(self, key: bytes, values: Sequence[bytes], traceparent: bytes) -> None:
        """See ``CanaryLog``."""
        self._ask()
        stamp_ms = None if self.clock_ms is None else self.clock_ms()
        for value in values:
            self._broker.append(self.partition_of(key), key, value, stamp_ms, traceparent)

    def poll(self, timeout_s: float) -> Sequence[Heard]:
        """See ``CanaryLog``."""
        del timeout_s
        self._ask()
        if self._next is None:
            return []
        begin, self._next = self._next, len(self._broker.outputs)
        return [
            Heard(
                self._kinds[output.topic],
                output.partition,
                output.key,
                output.value,
                dict(output.headers).get("traceparent"),
            )
            for output in self._broker.outputs[begin : self._next]
            if output.topic in self._kinds and output.topic != self.deaf_to
        ]

    def close(self) -> None:
        """See ``CanaryLog``."""

    def _ask(self) -> None:
        if not self.available:
            raise LogUnavailable("the memory log is switched off")
