"""A rejected topic of one's own on the real Kafka, for tests that look at it and replay it."""

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
    """A rejected topic of its own, what was put there, and what came back."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.settings: Settings = settings_of(environment)
        ensure_topics(self.settings)
        self._producer = KafkaProducer(**self.settings.kafka_connection())

    def put(self, patient: str, reason: str = "too_late", partition: int = 0, **more: str) -> int:
        """Puts a rejected record there, as the service writes it; returns its offset."""
        value = json.dumps({"patient_id": patient, "time": 10**12, "values": {}}).encode()
        given = {"reason": reason, "detail": "", "topic": self.settings.topic_vitals,
                 "partition": str(partition), "offset": "5", **more}  # fmt: skip
        said = [(name.replace("_", "-"), text.encode()) for name, text in given.items()]
        sent = self._producer.send(self.settings.topic_rejected, value, patient.encode(), said)
        offset: int = sent.get(timeout=60).offset
        return offset

    def put_empty(self) -> None:
        """Puts a record there that has neither key nor value, as another client may have."""
        said = [("reason", b"empty"), ("detail", b"the record has no value")]
        output = Output(self.settings.topic_rejected, 0, None, None, said)
        connection = self.settings.kafka_connection() | {"transactional_id": output.topic}
        producer = BatchProducer(**connection)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send_all([output])
        producer.commit_transaction()
        producer.close()

    def input_records(self) -> list[Any]:
        """What is in the input topic, committed."""
        return read_topic(self.settings, self.settings.topic_vitals)

    def keys(self) -> Counter[str]:
        """How often each key is in the input topic."""
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
