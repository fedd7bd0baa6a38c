"""A site lived through on this machine, beside what `bench.plan` says of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from redis import Redis

from bench.loads import Load, hourly, put
from bench.machine import describe
from bench.plan_costs import send_rows
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

if TYPE_CHECKING:
    from bench.plan import Needs, Site

_HOURS: Final = 49  # so that every ring is full
_ROWS_AN_HOUR: Final = 2  # as many as a stay keeps: those of a ward at 1 Hz have them
_WARM_UP_S: Final = 20.0
_DEADLINE_S: Final = 240.0
_POLL_S: Final = 0.5


def lived(stack: LocalStack, folder: Path, site: Site, need: Needs, minutes: float) -> str:
    """Lives through a site and returns a table of plan and measurement."""
    variables = environment(
        stack, "plan-", partitions=need.partitions, risk_interval=60, save_seconds=site.save_s
    )
    settings = settings_of(variables)
    ensure_topics(settings)
    history = hourly(site.beds * _HOURS * _ROWS_AN_HOUR, site.beds, _ROWS_AN_HOUR)
    put(Load("history", history, 60.0), settings)
    services = [
        ServiceProcess(variables | {"STREAMER_INSTANCE": f"w{i}"}, folder / f"w{i}.log")
        for i in range(need.workers)
    ]
    seconds = minutes * 60
    with (
        running(services),
        contextlib.closing(KafkaProducer(**settings.kafka_connection())) as producer,
        contextlib.closing(Redis.from_url(stack.redis)) as redis,
    ):
        _wait_until_read(settings)
        send_rows(producer, settings, site.beds, site.hz, _WARM_UP_S)
        before = _taken(stack, settings, services, redis)
        began = time.monotonic()
        send_rows(producer, settings, site.beds, site.hz, seconds)
        elapsed = time.monotonic() - began
        after = _taken(stack, settings, services, redis)
    cores, redis_mb_s = ((after[i] - before[i]) / elapsed for i in range(2))
    kafka_mb_s = (after[2] - before[2]) / elapsed
    rows = [
        ("cores busy", need.cores, cores),
        ("MB/s written to Redis", need.redis_mb_s, redis_mb_s),
        ("MB/s written to Kafka", need.kafka_mb_s, kafka_mb_s),
    ]
    lines = ["| of the workers | planned | measured | difference |", "|---|---|---|---|"]
    for name, planned, measured in rows:
        lines.append(f"| {name} | {planned:.3g} | {measured:.3g} | {measured / planned - 1:+.0%} |")
    return f"{minutes:g} minutes of it on {describe()}:\n\n" + "\n".join(lines)


def _taken(
    stack: LocalStack, settings: Settings, services: Sequence[ServiceProcess], redis: Any
) -> tuple[float, float, float]:
    """CPU seconds of the services, megabytes to Redis, megabytes in Kafka's topics."""
    times = [psutil.Process(service.pid).cpu_times() for service in services]
    received = int(redis.info("stats")["total_net_input_bytes"])
    return sum(t.user + t.system for t in times), received / 1e6, _kafka_mb(stack, settings)


def _kafka_mb(stack: LocalStack, settings: Settings) -> float:
    """Size of the service's topics on the broker's disk."""
    topics = (
        settings.topic_vitals, settings.topic_risk, settings.topic_alerts, settings.topic_states,
        settings.topic_stays,
    )  # fmt: skip
    folder = stack.kafka_server.folder
    return (
        sum(
            file.stat().st_size
            for topic in topics
            for number in range(settings.partitions)
            for file in folder.rglob(f"{topic}-{number}/*.log")
        )
        / 1e6
    )


def _wait_until_read(settings: Settings) -> None:
    consumer = KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )
    tps = [TopicPartition(settings.topic_vitals, p) for p in range(settings.partitions)]
    give_up_at = time.monotonic() + _DEADLINE_S
    with contextlib.closing(consumer):
        ends = consumer.end_offsets(tps)
        while any((consumer.committed(tp) or 0) < end for tp, end in ends.items()):
            if time.monotonic() > give_up_at:
                raise TimeoutError("the history was not read")
            time.sleep(_POLL_S)
