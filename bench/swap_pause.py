"""Pause of a partition's messages while another model takes its stays over.

A service on a Kafka of this machine has one partition of many stays, each with some hours of rows.
Events come at a steady rate, each due for a risk; then a model is published that is not in force.
The pause is the longest time without a risk, from the publication until the new model has spoken
for some seconds; beside it stands the longest one before, which is that of any batch.

    python -m bench.swap_pause --stays 10000
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.chaos.model_swaps import publish as publish_model
from bench.chaos.model_swaps import variants
from bench.loads import hourly
from bench.machine import describe
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.core.time import HOUR_MS
from streamer.feeds.publish import publish
from streamer.local import LocalStack
from streamer.process.terminal import say
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_STEADY_S: Final = 8.0
_AFTER_S: Final = 3.0  # of the new model
_DEADLINE_S: Final = 120.0
_WORK_OFF_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Milliseconds without a risk.

    Attributes:
        before_ms: the longest in the seconds before the publication.
        swap_ms: the longest from the publication on.
        first_ms: from the publication to the first risk of the new model.
    """

    before_ms: float
    swap_ms: float
    first_ms: float


def pause_of(risks: Sequence[tuple[float, str]], published_s: float, model: str) -> Pause:
    """The pause around a swap.

    Args:
        risks: seconds at which each risk arrived, and its model, in order.
        published_s: when the new model was published.
        model: its id, as risks show it.

    >>> risks = [(0.0, "a"), (0.1, "a"), (1.0, "a"), (1.5, "b"), (1.6, "b")]
    >>> pause_of(risks, 0.5, "b")
    Pause(before_ms=100.0, swap_ms=900.0, first_ms=1000.0)
    """
    times = [at for at, _ in risks]
    gaps = [(late, (late - early) * 1000) for early, late in itertools.pairwise(times)]
    first = next(at for at, shown in risks if shown == model)
    return Pause(
        max(gap for late, gap in gaps if late < published_s),
        max(gap for late, gap in gaps if late >= published_s),
        (first - published_s) * 1000,
    )


def main(arguments: Sequence[str]) -> int:
    """Prints the pause; 1 where it is over a second."""
    parser = argparse.ArgumentParser(prog="python -m bench.swap_pause", description=__doc__)
    parser.add_argument("--stays", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=12, help="rows of each stay beforehand")
    parser.add_argument("--rate", type=int, default=300, help="events a second")
    options = parser.parse_args(arguments)
    with LocalStack() as stack, tempfile.TemporaryDirectory(prefix="vigil-swap-") as folder:
        variables = environment(stack, "", partitions=1, max_stays=0)
        settings = settings_of(variables)
        ensure_topics(settings)
        n = options.stays * options.hours
        publish(
            hourly(n, options.stays),
            settings.kafka_connection(),
            {"vitals": settings.topic_vitals},
            speed=None,
            stop=threading.Event(),
            progress=lambda _n, _ms: None,
        )
        service = ServiceProcess(variables, Path(folder) / "service.log")
        with running([service]), contextlib.closing(_consumer(settings)) as consumer:
            _work_off(settings, consumer, options.stays)
            pause = _measured(settings, consumer, stack.redis, options.stays, options.rate)
    say(
        f"{options.stays:,} stays on one partition, {options.rate} events/s: the longest time "
        f"without a risk is {pause.swap_ms:.0f} ms in the swap, {pause.before_ms:.0f} ms before; "
        f"the first risk of the new model comes {pause.first_ms:.0f} ms after its publication "
        f"({describe()})"
    )
    return 0 if pause.swap_ms <= 1000 else 1


def _consumer(settings: Settings) -> KafkaConsumer:
    consumer = KafkaConsumer(
        **settings.kafka_connection(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=5,
    )
    consumer.assign([TopicPartition(settings.topic_risk, 0)])
    consumer.seek_to_beginning()
    return consumer


def _work_off(settings: Settings, consumer: KafkaConsumer, stays: int) -> None:
    """Waits until the service has caught up: a risk of the last row of each stay has come."""
    deadline = time.monotonic() + _WORK_OFF_S
    tail = TopicPartition(settings.topic_vitals, 0)
    last = consumer.end_offsets([tail])[tail] - 1
    while time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200, max_records=20_000).values():
            if orjson.loads(records[-1].value)["offset"] >= last:
                return
    raise TimeoutError(f"the service did not work off {stays:,} stays within {_WORK_OFF_S:g} s")


def _measured(
    settings: Settings, consumer: KafkaConsumer, redis_url: str, stays: int, rate: int
) -> Pause:
    model = variants()[0]
    stop, risks = threading.Event(), list[tuple[float, str]]()
    sender = threading.Thread(target=_send, args=(settings, stays, rate, stop), daemon=True)
    sender.start()
    began = time.monotonic()
    published_s = first_s = 0.0
    try:
        while time.monotonic() - began < _DEADLINE_S:
            for at, shown in _receive(consumer):
                risks.append((at, shown))
                first_s = first_s or (at if shown == model.shown_id else 0.0)
            now = time.monotonic()
            if not published_s and now - began >= _STEADY_S:
                publish_model(redis_url, model)
                published_s = now
            if first_s and now - first_s >= _AFTER_S:
                warm = [risk for risk in risks if risk[0] >= began + _STEADY_S / 4]
                return pause_of(warm, published_s, model.shown_id)
    finally:
        stop.set()
        sender.join(10)
    raise TimeoutError(f"no risk of the new model within {_DEADLINE_S:g} s")


def _receive(consumer: KafkaConsumer) -> Iterator[tuple[float, str]]:
    for records in consumer.poll(timeout_ms=2).values():
        now = time.monotonic()
        for record in records:
            yield now, str(orjson.loads(record.value)["model"])


def _send(settings: Settings, stays: int, rate: int, stop: threading.Event) -> None:
    """Events at a steady rate; each is its patient's first of a minute, so a risk is due."""
    producer: Any = KafkaProducer(**settings.kafka_connection(), linger_ms=0)
    began, sent = time.monotonic(), 0
    start_ms = int(time.time() * 1000) - HOUR_MS + 60_000
    while not stop.wait(0.005):
        while sent < (time.monotonic() - began) * rate:
            turn, stay = divmod(sent, stays)
            patient = f"bench-{stay:05d}"
            time_ms = start_ms + turn * 60_000
            event = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}}
            producer.send(settings.topic_vitals, orjson.dumps(event), patient.encode())
            sent += 1
    producer.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
