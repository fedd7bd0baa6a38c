"""A rejected topic on the real Kafka, for tests that list it and replay it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from bench.reading import read_topic
from bench.services import settings_of
from streamer.adapters.kafka.producer import BatchProducer
from streamer.cli import app
from streamer.ports.log import Output
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics


class RejectedTopicTrial:
    """A rejected topic, a producer for it, and the input topic that replays write to."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.settings: Settings = settings_of(environment)
        ensure_topics(self.settings)
        self._producer = KafkaProducer(**self.settings.kafka_connection())

    def put(self, patient: str, reason: str = "too_late", partition: int = 0, **more: str) -> int:
        """Sends a rejected record, as the service writes it; returns its offset."""
        value = json.dumps({"patient_id": patient, "time": 10**12, "values": {}}).encode()
        fields = {"reason": reason, "detail": "", "topic": self.settings.topic_vitals,
                 "partition": str(partition), "offset": "5", **more}  # fmt: skip
        headers = [(name.replace("_", "-"), text.encode()) for name, text in fields.items()]
        sent = self._producer.send(self.settings.topic_rejected, value, patient.encode(), headers)
        offset: int = sent.get(timeout=60).offset
        return offset

    def put_empty(self) -> None:
        """Sends a record without key and value, as another client might."""
        headers = [("reason", b"empty"), ("detail", b"the record has no value")]
        output = Output(self.settings.topic_rejected, 0, None, None, headers)
        options = self.settings.kafka_connection() | {"transactional_id": output.topic}
        producer = BatchProducer(**options)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send_all([output])
        producer.commit_transaction()
        producer.close()

    def input_records(self) -> list[Any]:
        """The committed records of the input topic."""
        return read_topic(self.settings, self.settings.topic_vitals)

    def keys(self) -> Counter[str]:
        """The number of records of each key in the input topic."""
        return Counter(record.key.decode() for record in self.input_records())

    def cli(self, *arguments: str) -> Result:
        """`streamer rejected` with these arguments."""
        return CliRunner().invoke(app, ["rejected", *arguments], env=self.environment)

    def json(self, *arguments: str) -> Any:
        """The same with --json."""
        result = self.cli(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def close(self) -> None:
        self._producer.close()
