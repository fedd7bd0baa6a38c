"""The wiring: the only place that chooses adapters."""

from __future__ import annotations

import gc
from typing import Final

import structlog
from redis import Redis

from streamer.adapters.kafka.log import KafkaLog
from streamer.adapters.kafka.options import KafkaOptions
from streamer.adapters.redis.models import RedisModels
from streamer.adapters.redis.states import RedisStates
from streamer.ports.states import StateStore
from streamer.service import faults
from streamer.service.batch import Topics
from streamer.service.health import Health
from streamer.service.instance import claim_instance
from streamer.service.models import ModelLibrary
from streamer.service.settings import Settings
from streamer.service.worker import Worker, WorkerConfig

_log = structlog.get_logger()

# Some ten batches' worth of containers: a collection at Python's own 700 was a tenth of the time.
_GARBAGE_THRESHOLD: Final = 100_000
# Redis answers in well under a millisecond; a loaded one that rewrites its AOF may take seconds.
_REDIS_TIMEOUT_S = 10.0


def redis_client(settings: Settings) -> Redis:
    """A Redis client that returns bytes and never waits without bound."""
    return Redis.from_url(
        settings.redis_url, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S
    )


def state_store(settings: Settings) -> RedisStates:
    """Where the states of the group's stays live."""
    return RedisStates(redis_client(settings), f"vigil:{settings.group}", settings.topic_vitals)


def model_library(settings: Settings) -> ModelLibrary:
    """The models that the streamer may use."""
    return ModelLibrary(RedisModels(redis_client(settings)))


def worker(settings: Settings, health: Health) -> Worker:
    """A worker on Kafka and Redis, ready to run.

    Raises:
        LogUnavailable: no broker answers.
        StoreUnavailable: Redis does not answer.
        BundleError: the shipped model cannot be used.
    """
    instance = settings.instance or claim_instance(settings.group)
    options = KafkaOptions(
        settings.kafka_connection(),
        settings.topic_vitals,
        settings.group,
        transactional_id=f"{settings.group}-{instance}",
        outputs=(settings.topic_risk, settings.topic_alerts, settings.topic_rejected),
        session_timeout_ms=settings.kafka_session_timeout_ms,
        max_poll_records=settings.max_batch,
    )
    config = WorkerConfig(
        Topics(
            settings.topic_vitals,
            settings.topic_alerts,
            settings.topic_risk,
            settings.topic_rejected,
        ),
        settings.interval_ms,
        settings.future_limit_ms,
        rebuild_ms=round(settings.rebuild_hours * 3_600_000),
        max_stays=settings.max_stays,
        forecast=settings.forecast,
    )
    library = model_library(settings)
    library.in_force()  # before joining the group: building a model takes a second
    # What is here now stays; what a batch makes dies with it, and is not worth looking at often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    fault = faults.parse(settings.fault)
    states: StateStore = state_store(settings)
    if settings.fault:
        from streamer.service.fault_injection import InterruptedSaves  # noqa: PLC0415 - see faults

        _log.warning("this process will fail on purpose", fault=settings.fault)
        states = InterruptedSaves(states, fault)
    return Worker(KafkaLog(options, fault), states, library, config, fault, health)
