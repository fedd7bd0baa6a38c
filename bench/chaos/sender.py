"""The sender: events at an even pace through every outage, and some of them again."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from bench.chaos.events import Event
from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from streamer.service.settings import Settings

KINDS: Final = ("events sent again",)
CODECS: Final = (None, "gzip", "snappy", "lz4", "zstd")
_STEP_S: Final = 0.05
_AGAIN: Final = 500
_REMEMBERED: Final = 20_000
# The producer's buffer has no bound of its own.
_MOST_UNACKNOWLEDGED: Final = 5_000
_ACKNOWLEDGE_TIMEOUT_S: Final = 60.0


class Sender(threading.Thread):
    """Sends events evenly over a time; after an outage it catches up.

    Attributes:
        sent: events handed to the producer so far.
        error: the error that ended it too early; ``None`` in a good run.
    """

    def __init__(
        self, settings: Settings, events: Iterator[Event], n_events: int, seconds: float
    ) -> None:
        super().__init__(name="sender", daemon=True)
        self.sent = 0
        self.error: BaseException | None = None
        self._settings = settings
        self._events = events
        self._pace = n_events / seconds
        self._recent: deque[Event] = deque(maxlen=_REMEMBERED)
        self._again: deque[Event] = deque()
        self._stopping = threading.Event()

    def repeat(self, at: float) -> None:
        """Sends some old events again; ``at`` is 0 for the oldest known and 1 for the newest."""
        known = list(self._recent)
        first = int(at * max(0, len(known) - _AGAIN))
        self._again.extend(known[first : first + _AGAIN])

    def stop(self) -> None:
        """Stops sending."""
        self._stopping.set()

    def run(self) -> None:
        """Sends until the events are over or ``stop`` is called."""
        began = time.monotonic()
        try:
            with contextlib.ExitStack() as closed:
                producers = {codec: self._producer(codec) for codec in CODECS}
                for producer in producers.values():
                    closed.callback(producer.close)
                for codec in itertools.cycle(CODECS):
                    due = int((time.monotonic() - began) * self._pace) - self.sent
                    left = self._send(producers[codec], min(due, _MOST_UNACKNOWLEDGED))
                    # Flushed before another codec comes, so that the order stays.
                    producers[codec].flush(timeout=_ACKNOWLEDGE_TIMEOUT_S)
                    if not left or self._stopping.wait(_STEP_S):
                        break
        except BaseException as error:
            self.error = error

    def close_off(self) -> None:
        """Sends a last event to each partition, so that a loss in a quiet one shows.

        Raises:
            KafkaError: the broker does not accept them.
        """
        with contextlib.closing(self._producer()) as producer:
            for partition in range(self._settings.partitions):
                patient = f"last-{partition}"
                now_ms = int(time.time() * 1000)
                value = f'{{"patient_id":"{patient}","time":{now_ms},"values":{{"spo2":97}}}}'
                producer.send(
                    self._settings.topic_vitals, value.encode(), patient.encode(),
                    partition=partition,
                ).get(timeout=_ACKNOWLEDGE_TIMEOUT_S)  # fmt: skip

    def _send(self, producer: Any, n: int) -> bool:
        while self._again:
            self._put(producer, self._again.popleft())
        for _ in range(n):
            event = next(self._events, None)
            if event is None:
                return False
            self._put(producer, event)
            self._recent.append(event)
            self.sent += 1
        return True

    def _put(self, producer: Any, event: Event) -> None:
        # A batch that fails in the end does not matter: the log holds the events that count.
        with contextlib.suppress(KafkaError):
            producer.send(
                self._settings.topic_vitals,
                event.value,
                event.key,
                headers=list(event.headers),
                partition=event.partition,
                timestamp_ms=event.timestamp_ms,
            )

    def _producer(self, codec: str | None = None) -> Any:
        return KafkaProducer(
            **self._settings.kafka_connection(), linger_ms=5, reconnect_backoff_max_ms=500,
            compression_type=codec,
        )  # fmt: skip


class ResendLane(FaultLane):
    """Redelivery by the sender: hundreds of events that were taken long ago or just now."""

    def __init__(self, seed: int, sender: Sender, tally: Tally) -> None:
        super().__init__("again", seed, deck(seed, "again", KINDS), (4.0, 15.0), tally)
        self._sender = sender

    def strike(self, kind: str) -> str:
        """See ``FaultLane``."""
        self._sender.repeat(self.draws.random())
        return kind
