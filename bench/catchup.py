"""How fast one service on one core works off a backlog, and where its time goes."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from kafka import KafkaConsumer, TopicPartition
from redis import Redis

from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.redis_states import RedisStates
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_STAGE = re.compile(r'vigil_stage_seconds_sum\{stage="(\w+)"\} (\S+)')
_POLL_S = 0.05
_DEADLINE_S = 240.0


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What working off a backlog took."""

    events: int
    seconds: float
    cpu_seconds: float
    stages: dict[str, float]
    resident_bytes: int
    stays: int
    stored_bytes: float

    @property
    def events_per_second(self) -> float:
        """Events a second, from the first committed batch to the last."""
        return self.events / self.seconds


def catch_up(
    stack: LocalStack, feed: Iterable[Message], folder: Path, prefix: str, interval_s: float
) -> CatchUp:
    """Publishes a feed, then lets one service on one core take it, exactly once, risks and all."""
    port = _free_port()
    told = environment(stack, prefix, http_port=port, risk_interval=interval_s)
    settings = settings_of(told)
    ensure_topics(settings)
    topics = {"vitals": settings.topic_vitals, "outcomes": settings.topic_outcomes}
    publish(
        feed,
        settings.kafka_connection(),
        topics,
        speed=None,
        stop=threading.Event(),
        progress=lambda _sent, _due_ms: None,
    )
    service = ServiceProcess(told, folder / f"{prefix}service.log")
    with running([service]), contextlib.closing(_consumer(settings)) as consumer:
        process = psutil.Process(service.pid)
        process.cpu_affinity([max(process.cpu_affinity() or [0])])
        tps = [TopicPartition(settings.topic_vitals, p) for p in range(settings.partitions)]
        total = sum(consumer.end_offsets(tps).values())
        first, first_s, first_cpu = (
            _wait_for(consumer, tps, 1, service),
            time.monotonic(),
            _cpu(process),
        )
        _wait_for(consumer, tps, total, service)
        seconds, cpu = time.monotonic() - first_s, _cpu(process) - first_cpu
        stages = _stages(port)
        resident = process.memory_info().rss
    stays, stored = _stored(stack, settings)
    return CatchUp(total - first, seconds, cpu, stages, resident, stays, stored)


def hourly(rows: int, stays: int) -> Iterable[Message]:
    """Hourly rows of many stays at once, with the vital signs and labs of real ones."""
    rng = np.random.default_rng(0)
    hours = math.ceil(rows / stays)
    start_ms = int(time.time() * 1000) - (hours + 1) * 3_600_000
    signs = ("heart_rate", "spo2", "temperature", "sbp", "map", "dbp", "resp_rate")
    for hour, stay in itertools.product(range(hours), range(stays)):
        time_ms = start_ms + hour * 3_600_000
        levels = (80, 97, 37, 120, 80, 60, 16)
        values = dict(zip(signs, (levels + rng.normal(0, 1, 7)).round(1).tolist(), strict=True))
        if rng.random() < 0.1:
            values |= {"lactate": 1.5, "creatinine": 1.0, "wbc": 9.0, "platelets": 200.0}
        patient = f"bench-{stay:05d}"
        event: dict[str, object] = {"patient_id": patient, "time": time_ms, "values": values}
        yield Message(time_ms, "vitals", patient, event)


def _consumer(settings: Settings) -> KafkaConsumer:
    return KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )


def _wait_for(
    consumer: KafkaConsumer, tps: list[TopicPartition], events: int, service: ServiceProcess
) -> int:
    give_up_at = time.monotonic() + _DEADLINE_S
    while time.monotonic() < give_up_at:
        committed = sum(consumer.committed(tp) or 0 for tp in tps)
        if committed >= events:
            return committed
        time.sleep(_POLL_S)
    raise TimeoutError(f"the service did not get there:\n{service.log[-2000:]}")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _stages(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(text)}


def _stored(stack: LocalStack, settings: Settings) -> tuple[int, float]:
    with contextlib.closing(Redis.from_url(stack.redis, socket_timeout=10)) as redis:
        states = RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
        sizes = [len(stay) for p in range(settings.partitions) for stay in states.load(p).values()]
    return len(sizes), float(np.mean(sizes))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
