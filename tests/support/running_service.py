"""A running service and a client of its topics, for tests on the real Kafka and Redis."""

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
from streamer.core.alert_messages import Content
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics
from tests.support.wait import wait_until

# A service starts in some 3 s on an idle core; CI has two cores and other tests on them.
START_DEADLINE_S = 90.0
ANSWER_DEADLINE_S = 60.0


class ServiceClient:
    """Sends events to a service and collects the messages that it writes."""

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
        self.risks: list[Content] = []
        self.alerts: list[Content] = []
        self.rejected: list[Any] = []

    def send(self, value: bytes | None, key: bytes | None) -> tuple[int, int]:
        """Sends one record and returns its partition and offset."""
        sent = self._producer.send(self.settings.topic_vitals, value, key).get(timeout=10)
        return sent.partition, sent.offset

    def event(self, patient: str, **fields: Any) -> tuple[int, int]:
        """Sends one event; an observation at the present time unless ``fields`` say otherwise."""
        content = {"patient_id": patient, "time": int(time.time() * 1000), **fields}
        if content.get("type", "observation") == "observation":
            content.setdefault("values", {"heart_rate": 80})
        return self.send(json.dumps(content).encode(), patient.encode())

    def collect(self) -> None:
        """Reads the messages written since the last call."""
        for records in self._consumer.poll(timeout_ms=50).values():
            for record in records:
                if record.topic == self.settings.topic_rejected:
                    self.rejected.append(record)
                elif record.topic == self.settings.topic_risk:
                    self.risks.append(json.loads(record.value))
                else:
                    self.alerts.append(json.loads(record.value))

    def risk_of(self, position: tuple[int, int]) -> Content:
        """Waits for the risk message of the record at this (partition, offset)."""

        def find() -> Content | None:
            self.collect()
            return next((r for r in self.risks if (r["partition"], r["offset"]) == position), None)

        risk = wait_until(find, ANSWER_DEADLINE_S, f"a risk for the record at {position}")
        assert risk is not None
        return risk

    def rejection_of(self, position: tuple[int, int]) -> Any:
        """Waits for the record at this (partition, offset) to appear in the rejected topic."""

        def find() -> Any:
            self.collect()
            return next((r for r in self.rejected if origin(r) == position), None)

        return wait_until(find, ANSWER_DEADLINE_S, f"a rejection of the record at {position}")

    def close(self) -> None:
        """Closes the connections."""
        self._producer.close()
        self._consumer.close()


def headers(record: Any) -> dict[str, str]:
    """The headers of a record as text."""
    return {name: value.decode() for name, value in record.headers}


def origin(record: Any) -> tuple[int, int]:
    """The (partition, offset) that a rejected record had in the input topic."""
    by_name = headers(record)
    return int(by_name["partition"]), int(by_name["offset"])


@contextmanager
def service(
    stack: LocalStack, folder: Path, prefix: str, **settings: str | float
) -> Iterator[tuple[ServiceProcess, ServiceClient]]:
    """A running `streamer run` with topics of its own, and a client of them."""
    variables = environment(stack, prefix, partitions=2, kafka_session_timeout_ms=6000, **settings)
    ensure_topics(settings_of(variables))
    process = ServiceProcess(variables, folder / "service.log")
    with running([process]), contextlib.closing(ServiceClient(settings_of(variables))) as client:
        yield process, client
