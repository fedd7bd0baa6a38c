"""Latency from an event to its risk and to its alert, at a steady rate."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from kafka import KafkaConsumer, KafkaProducer

from bench.engines import BenchEnv, Engine
from bench.services import RUN, ServiceProcess, environment, running, settings_of
from streamer.service.topics import ensure_topics

_WARM_UP_S = 5.0  # the first transactions of a producer, the first pages of the allocator
_LAPS = 2
_SECONDS_A_TURN = 2
_TURNS = 48  # more than any run takes
_SICK = {"heart_rate": 135, "map": 48, "temperature": 39.6, "resp_rate": 34, "lactate": 7.5,
         "wbc": 24, "sbp": 78, "spo2": 88, "fio2": 0.7, "creatinine": 3.4}  # fmt: skip
_WELL = {"heart_rate": 72, "map": 84, "temperature": 36.8, "resp_rate": 14, "sbp": 124, "spo2": 98}


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from handing an event to the producer to having its message, read committed."""

    events: int
    risk_ms: np.ndarray[Any, np.dtype[np.float64]]
    alert_ms: np.ndarray[Any, np.dtype[np.float64]]


def latency(env: BenchEnv, engine: Engine, prefix: str, rate: int, seconds: float) -> Latency:
    """Sends ``rate`` events a second, each due for a risk, and times the messages.

    At most for ``_SECONDS_A_TURN * _TURNS`` seconds.

    Args:
        env: the surroundings.
        engine: the service of this tree or of another.
        prefix: of topics and group.
        rate: events a second.
        seconds: length of the measurement.
    """
    variables = environment(env.stack, prefix, risk_interval=0)
    settings = settings_of(variables)
    ensure_topics(settings)
    service = ServiceProcess(
        variables | engine.path(),
        env.folder / f"{prefix}service.log",
        command=[*env.cores.taskset(0), *RUN],
    )
    producer = KafkaProducer(**settings.kafka_connection())
    consumer = KafkaConsumer(
        settings.topic_risk,
        settings.topic_alerts,
        **settings.kafka_connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=5,
    )
    sent: list[tuple[Any, float]] = []
    arrived: dict[tuple[str, int, int], float] = {}
    with running([service]), contextlib.closing(producer), contextlib.closing(consumer):
        _send(producer, settings.topic_vitals, 0, rate).get(timeout=30)
        while not arrived:
            _receive(consumer, arrived, settings.topic_alerts)
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            for _ in range(int(elapsed * rate) - len(sent)):
                now = time.monotonic()
                sent.append((_send(producer, settings.topic_vitals, len(sent), rate), now))
            _receive(consumer, arrived, settings.topic_alerts)
        give_up_at = time.monotonic() + 30
        while len(arrived) <= len(sent) and time.monotonic() < give_up_at:
            _receive(consumer, arrived, settings.topic_alerts)
    took: dict[str, list[float]] = {"risk": [], "alert": []}
    for future, at in sent:
        record = future.get(timeout=10)
        for kind, times in took.items():
            came = arrived.get((kind, record.partition, record.offset))
            if came is not None and at - began > _WARM_UP_S:
                times.append((came - at) * 1000)
    return Latency(len(sent), np.array(took["risk"]), np.array(took["alert"]))


def latencies(
    env: BenchEnv, services: Sequence[Engine], rate: int, seconds: float
) -> list[Latency]:
    """Times each service in ``_LAPS`` laps, in turns, so that other work of the machine hits all.

    Returns:
        For each service the events of its laps together.
    """
    laps: list[list[Latency]] = [[] for _ in services]
    for lap in range(_LAPS):
        for number, service in enumerate(services):
            prefix = f"at-{rate}-{lap}-{number}-"
            laps[number].append(latency(env, service, prefix, rate, seconds))
    return [
        Latency(
            sum(lap.events for lap in own),
            np.concatenate([lap.risk_ms for lap in own]),
            np.concatenate([lap.alert_ms for lap in own]),
        )
        for own in laps
    ]


def _send(producer: Any, topic: str, number: int, rate: int) -> Any:
    # As in a ward, neighbouring events are of other patients: twice as many patients as events a
    # second take turns, each turn an hour later. They fall very ill one after the other, so that
    # alerts start all the time.
    turn, bed = divmod(number, _SECONDS_A_TURN * rate)
    patient = f"latency-{bed}"
    event = {
        "patient_id": patient,
        "time": int(time.time() * 1000) - (_TURNS - turn) * 3_600_000,
        "values": _WELL if turn < 2 + bed % _TURNS else _SICK,
    }
    return producer.send(topic, json.dumps(event).encode(), patient.encode())


def _receive(consumer: Any, arrived: dict[tuple[str, int, int], float], topic_alerts: str) -> None:
    for records in consumer.poll(timeout_ms=1).values():
        now = time.monotonic()
        for record in records:
            message = json.loads(record.value)
            kind = "alert" if record.topic == topic_alerts else "risk"
            arrived[kind, message["partition"], message["offset"]] = now
