"""What `streamer check` looks at: each finding a line, with the way out of a bad one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from redis import Redis
from redis.exceptions import RedisError

from streamer.adapters.kafka.topics import kept
from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle
from streamer.diagnose import durability
from streamer.diagnose.finding import Finding, Level
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_TIMEOUT_S: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"
_ANY_HOST: Final = ("", "0.0.0.0", "::")  # listened on, but not to be called
_PACKAGES: Final = ("vigil-icu", "kafka-python", "redis", "torch", "numpy", "pydantic")


def checks(settings: Settings) -> Iterator[Finding]:
    """Looks at configuration, Kafka, Redis, model and versions, one after the other."""
    yield from _configuration(settings)
    yield from _guarded("kafka", lambda: _kafka(settings))
    yield from _guarded("redis", lambda: _redis(settings))
    yield from _guarded("model", lambda: _model(settings))
    if settings.http_port:
        yield _service(settings)
    yield _log(settings)
    yield from _versions()


def _guarded(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    advice = {
        "kafka": "start one with `streamer up`, or set KAFKA_BOOTSTRAP_SERVERS",
        "redis": "start one with `streamer up`, or set REDIS_URL",
        "model": "install the package anew, or publish a model with `trainer models promote`",
    }[what]
    try:
        yield from look()
    except (KafkaError, RedisError, OSError, ValueError, LogUnavailable, StoreUnavailable) as error:
        yield Finding(what, Level.BAD, f"{error or type(error).__name__}; {advice}")


def _configuration(settings: Settings) -> Iterator[Finding]:
    for name, value in settings:
        prefix = "" if name in {"kafka_bootstrap_servers", "redis_url"} else "STREAMER_"
        shown = _masked(str(value)) if name == "redis_url" else str(value)
        yield Finding("setting", Level.OK, f"{prefix}{name.upper()}={shown}")


def _masked(url: str) -> str:
    head, at, host = url.rpartition("@")
    if not at:
        return url
    scheme, separator, credentials = head.partition("://")
    user = credentials.partition(":")[0]
    return f"{scheme}{separator}{user}:**********@{host}"


def _kafka(settings: Settings) -> Iterator[Finding]:
    found = ensure_topics(settings, create=False)
    yield Finding("kafka", Level.OK, f"answers at {settings.kafka_bootstrap_servers}")
    for topic in found:
        level = Level.OK if topic.fault is None else Level.BAD
        message = f"{topic.name} {topic.fault or f'has {topic.partitions} partitions'}"
        yield Finding("topic", level, message)
    for one in kept(settings.kafka_connection(), [t.name for t in found if t.partitions]):
        is_input = one.name == settings.topic_vitals
        yield from durability.of_topic(one, settings.rebuild_hours if is_input else None)
        if one.name == settings.topic_rejected:
            yield from durability.of_rejected(one)
    partitions = next((t.partitions for t in found if t.name == settings.topic_vitals), 0)
    if partitions:
        yield _lag(settings, partitions)


def _lag(settings: Settings, partitions: int) -> Finding:
    consumer = KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )
    with contextlib.closing(consumer):
        tps = [TopicPartition(settings.topic_vitals, p) for p in range(partitions)]
        ends = consumer.end_offsets(tps)
        firsts = consumer.beginning_offsets(tps)
        lag = sum(ends[tp] - (consumer.committed(tp) or firsts[tp]) for tp in tps)
    return Finding("lag", Level.OK, f"group {settings.group} is {lag} records behind")


def _redis(settings: Settings) -> Iterator[Finding]:
    client = Redis.from_url(
        settings.redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    with contextlib.closing(client):
        info: Any = client.info()
        yield Finding("redis", Level.OK, f"version {info['redis_version']} answers")
        yield from durability.of_redis(info, _redis_configs(client))


def _redis_configs(client: Redis) -> dict[str, str]:
    configs: dict[str, str] = {}
    for name in ("appendfsync", "min-replicas-to-write"):
        with contextlib.suppress(RedisError):  # managed ones may not allow the question
            found: Any = client.config_get(name)
            configs |= found
    return configs


def _model(settings: Settings) -> Iterator[Finding]:
    shipped = bundle.load(bundle.SHIPPED)
    client = Redis.from_url(
        settings.redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    with contextlib.closing(client):
        channel = RedisModels(client)
        champion = channel.champion()
        packed = channel.fetch(champion.model_id) if champion and settings.forecast else None
    if champion is None:
        message = f"{shipped.model_id}, the shipped one; nothing is published"
    else:
        message = (
            f"{champion.model_id}, publication {champion.version}; shipped: {shipped.model_id}"
        )
    yield Finding("model", Level.OK, message)
    in_force = shipped if packed is None else bundle.from_bytes(packed)
    if settings.forecast and not in_force.has_forecast:
        message = f"STREAMER_FORECAST is on, and of {in_force.model_id}: {bundle.NO_FORECAST}"
        yield Finding("forecast", Level.WARN, message)


def _service(settings: Settings) -> Finding:
    """What the service on this machine, if one runs, says of itself."""
    host = _LOOPBACK if settings.http_host in _ANY_HOST else settings.http_host
    place = f"{host}:{settings.http_port}"
    asked = HTTPConnection(host, settings.http_port, timeout=_TIMEOUT_S)
    with contextlib.closing(asked):
        try:
            asked.request("GET", "/readyz")
            said = json.loads(asked.getresponse().read())
            reasons = [str(reason["says"]) for reason in said["reasons"]]
        except ConnectionRefusedError:
            return Finding("service", Level.OK, f"none runs at {place}")
        except (OSError, HTTPException, ValueError, TypeError, KeyError):
            message = (
                f"what listens at {place} is no service; set STREAMER_HTTP_PORT to a free port"
            )
            return Finding("service", Level.WARN, message)
    if reasons:
        return Finding("service", Level.WARN, f"at {place} is not ready: {'; '.join(reasons)}")
    return Finding("service", Level.OK, f"at {place} is ready")


def _log(settings: Settings) -> Finding:
    if settings.log_key.get_secret_value():
        return Finding("log", Level.OK, "patients have the same pseudonym at each start")
    message = (
        "STREAMER_LOG_KEY is not set: no pseudonym in the log can be looked up, and they change at "
        "each start"
    )
    return Finding("log", Level.OK, message)


def _versions() -> Iterator[Finding]:
    versions = []
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    yield Finding("versions", Level.OK, ", ".join(versions))
    if importlib.util.find_spec("crc32c") is None:
        message = (
            "not installed: reading Kafka is five times slower; pip install kafka-python[crc32c]"
        )
        yield Finding("crc32c", Level.WARN, message)
    else:
        yield Finding("crc32c", Level.OK, "is installed")
