"""A running service and a line to it, for tests on the real Kafka and Redis."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.support.wait import wait_until

# A service starts in some 3 s on an idle core; CI has two cores and other tests on them.
START_DEADLINE_S = 90.0
ANSWER_DEADLINE_S = 60.0


class Line:
    """Sends events to a service and collects what it writes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer = KafkaProducer(**settings.kafka_connection())
        self._consumer = KafkaConsumer(
            settings.topic_risk,
            settings.topic_alerts,
            settings.topic_rejected,
            **settings.kafka_connection(),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        self.risks: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.rejected: list[Any] = []

    def send(self, value: bytes | None, key: bytes | None) -> tuple[int, int]:
        """Sends one record and returns its partition and offset."""
        sent = self._producer.send(self.settings.topic_vitals, value, key).get(timeout=10)
        return sent.partition, sent.offset

    def event(self, patient: str, **fields: Any) -> tuple[int, int]:
        """Sends one event; an observation at the present time unless said otherwise."""
        content = {"patient_id": patient, "time": int(time.time() * 1000), **fields}
        if content.get("type", "observation") == "observation":
            content.setdefault("values", {"heart_rate": 80})
        return self.send(json.dumps(content).encode(), patient.encode())

    def collect(self) -> None:
        """Takes in what has been written since the last look."""
        for records in self._consumer.poll(timeout_ms=50).values():
            for record in records:
                if record.topic == self.settings.topic_rejected:
                    self.rejected.append(record)
                elif record.topic == self.settings.topic_risk:
                    self.risks.append(json.loads(record.value))
                else:
                    self.alerts.append(json.loads(record.value))

    def risk_of(self, place: tuple[int, int]) -> dict[str, Any]:
        """Waits for the risk message that the record at this place causes."""

        def find() -> dict[str, Any] | None:
            self.collect()
            return next((r for r in self.risks if (r["partition"], r["offset"]) == place), None)

        found = wait_until(find, ANSWER_DEADLINE_S, f"a risk for the record at {place}")
        assert found is not None
        return found

    def rejection_of(self, place: tuple[int, int]) -> Any:
        """Waits for the record at this place to come out of the rejected topic."""

        def find() -> Any:
            self.collect()
            return next((r for r in self.rejected if origin(r) == place), None)

        return wait_until(find, ANSWER_DEADLINE_S, f"a rejection of the record at {place}")

    def close(self) -> None:
        """Lets go of the connections."""
        self._producer.close()
        self._consumer.close()


def headers(record: Any) -> dict[str, str]:
    """The headers of a record as text."""
    return {name: value.decode() for name, value in record.headers}


def origin(record: Any) -> tuple[int, int]:
    """Where a rejected record came from."""
    said = headers(record)
    return int(said["partition"]), int(said["offset"])


@contextmanager
def service(
    stack: LocalStack, folder: Path, prefix: str, **settings: str | float
) -> Iterator[tuple[ServiceProcess, Line]]:
    """A running `streamer run` with topics of its own, and a line to it."""
    told = environment(stack, prefix, partitions=2, kafka_session_timeout_ms=6000, **settings)
    ensure_topics(settings_of(told))
    process = ServiceProcess(told, folder / "service.log")
    with running([process]), contextlib.closing(Line(settings_of(told))) as line:
        yield process, line
