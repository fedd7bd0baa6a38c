"""Wiring of the service: the one module that chooses its adapters."""

from __future__ import annotations

import gc
from typing import Final

import structlog

from streamer.adapters.kafka.log import KafkaLog
from streamer.adapters.kafka.options import KafkaOptions
from streamer.adapters.kafka.state_topic import KafkaStateTopic
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.adapters.redis.states import RedisStates
from streamer.ports.states import StateStore
from streamer.service import faults
from streamer.service.batch import Topics
from streamer.service.health import Health
from streamer.service.instance import claim_instance
from streamer.service.models import ModelLibrary
from streamer.service.settings import Settings
from streamer.service.takeover import REBUILD_MS
from streamer.service.topics import output_topics
from streamer.service.worker import Worker
from streamer.service.worker_config import WorkerConfig

_log = structlog.get_logger()

# A look for a new model is one small answer, once a second.
_LOOK_TIMEOUT_S: Final = 2.0

# Containers of a full batch in which each event is scored. Collecting at Python's default of 700
# took a tenth of the time.
_GARBAGE_THRESHOLD: Final = 250_000


def state_store(settings: Settings) -> RedisStates:
    """Returns the store of the group's states; it connects when it is first asked."""
    client = connect(settings.redis)
    return RedisStates(client, f"vigil:{settings.group}", settings.topic_vitals)


def model_library(settings: Settings) -> ModelLibrary:
    """Returns the library of published models, and of the shipped one.

    Raises:
        BundleError: the shipped model cannot be used.
    """
    return ModelLibrary(model_channel(settings), settings.trust())


def model_channel(settings: Settings) -> RedisModels:
    """Returns the published models; it connects when it is first asked."""
    client = connect(settings.redis, _LOOK_TIMEOUT_S)
    return RedisModels(client, own=f"vigil:{settings.group}:model")


def config_of(settings: Settings) -> WorkerConfig:
    """Returns what a worker is to do, by the settings."""
    return WorkerConfig(
        Topics(
            settings.topic_vitals,
            settings.topic_alerts,
            settings.topic_risk,
            settings.topic_rejected,
            settings.topic_stays,
            settings.topic_outcomes,
            settings.topic_states,
            settings.topic_risk_canary,
            settings.topic_alerts_canary,
        ),
        settings.interval_ms,
        settings.future_limit_ms,
        rebuild_ms=REBUILD_MS,
        max_stays=settings.max_stays,
        max_patients_a_day=settings.max_patients_a_day,
        save_s=settings.save_seconds,
        forecast=settings.forecast,
        responses=settings.responses,
        action_key=settings.lasting_secret("action_key"),
        states_s=settings.states_seconds,
        written_format=settings.state_format,
    )


def worker(settings: Settings, health: Health) -> Worker:
    """Returns a worker on Kafka and Redis, ready to run.

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
        outputs=tuple(topic.name for topic in output_topics(settings)),
        optional=tuple(topic.name for topic in output_topics(settings) if topic.is_optional),
        session_timeout_ms=settings.kafka_session_timeout_ms,
        max_poll_records=settings.max_batch,
    )
    library = model_library(settings)
    library.in_force()  # before joining the group: building a model takes a second
    # Objects that exist now stay; those of a batch die with it: collect rarely, and only those.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    fault = faults.parse(settings.fault)
    states: StateStore = state_store(settings)
    if settings.fault:
        from streamer.service.fault_injection import InterruptedSaves  # noqa: PLC0415 - see faults

        _log.warning("this process will fail on purpose", fault=settings.fault)
        states = InterruptedSaves(states, fault)
    state_topic = None
    if settings.states_seconds:
        state_topic = KafkaStateTopic(settings.kafka_connection(), settings.topic_states)
    return Worker(
        KafkaLog(options, fault), states, library, config_of(settings), fault, health, state_topic
    )
