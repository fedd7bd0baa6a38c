from __future__ import annotations

from collections import Counter

import orjson

from bench.board import Size, batches
from streamer.service.settings import Settings
from tests.support.board import NOW_MS


def test_the_topics_are_those_of_a_service_that_has_run() -> None:
    settings = Settings()
    written = list(batches(settings, Size(20, 2, 3), NOW_MS))
    outputs = [output for _, batch in written for output in batch]
    per_topic = Counter(output.topic for output in outputs)
    assert per_topic == {"risk": 20 * 120, "stays": 20, "alerts": 20 * 3 * 0.3 * 3}
    assert {orjson.loads(o.value or b"")["patient_id"].encode() == o.key for o in outputs} == {True}
    risk_times = [time_ms for time_ms, batch in written if batch[0].topic == "risk"]
    assert risk_times == sorted(risk_times), "brokers find offsets by time"
