"""States alone: the service reads events whose messages are sent already, and says nothing."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import psutil
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from redis import Redis

from bench.engines import OURS, BenchEnv, processes_for, settings_for
from bench.loads import Backlog
from bench.measurement import MeasurementFailed, free_port
from bench.services import running
from streamer.adapters.redis.states import RedisStates
from streamer.service.settings import Settings

_PREFIX: Final = "states-alone-"
_LOOK_S: Final = 0.02
_SAVE_SECONDS: Final = "0.5"  # so that the first save comes long before the last
_DEADLINE_S: Final = 120.0


def state_only(env: BenchEnv, backlog: Backlog) -> str:
    """Measures a restart with lost states and all offsets committed: how fast states come back.

    Timing begins at the first saved watermark, so that the start of the process does not count.

    Raises:
        MeasurementFailed: it ended, or did not finish in time.
    """
    settings = settings_for(env, backlog, _PREFIX)
    (service,) = processes_for(
        OURS, env, backlog, _PREFIX, [free_port()], STREAMER_SAVE_SECONDS=_SAVE_SECONDS
    )
    ends = commit_all(settings)
    give_up_at = time.monotonic() + _DEADLINE_S
    with running([service]), contextlib.closing(Redis.from_url(env.stack.redis)) as redis:
        states = RedisStates(redis, f"vigil:{settings.group}", settings.topic_vitals)
        process = psutil.Process(service.pid)
        begin: tuple[int, float, float] | None = None
        while True:
            stored = [redis.hget(states.key(p), "__wm__") for p in ends]
            done = sum(int(watermark or 0) for watermark in stored)
            times = process.cpu_times()
            now = (done, time.monotonic(), times.user + times.system)
            begin = begin or (now if done else None)
            if done == sum(ends.values()):
                break
            if service.exit_code is not None or time.monotonic() > give_up_at:
                raise MeasurementFailed(f"states did not come back: {service.log[-1_000:]}")
            time.sleep(_LOOK_S)
    assert begin is not None
    events, seconds, cpu_s = (end - start for start, end in zip(begin, now, strict=True))
    if not events:
        raise MeasurementFailed("all states came back in one batch: send more events")
    return (
        f"States alone, without messages ({backlog.title}): {events / cpu_s:,.0f} events per CPU "
        f"second, {events / seconds:,.0f} events/s."
    )


def commit_all(settings: Settings) -> dict[int, int]:
    """Commits the end of each partition for the group; returns the ends."""
    consumer = KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )
    with contextlib.closing(consumer):
        tps = [TopicPartition(settings.topic_vitals, p) for p in range(settings.partitions)]
        consumer.assign(tps)
        ends = consumer.end_offsets(tps)
        consumer.commit({tp: OffsetAndMetadata(end, "", -1) for tp, end in ends.items()})
    return {tp.partition: end for tp, end in ends.items()}
