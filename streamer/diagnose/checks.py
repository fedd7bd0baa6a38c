"""Checks of everything that the service depends on, one finding a line.

A failed check names the remedy and does not stop those that follow.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from typing import Final

from streamer.adapters.kafka.read import group_lag
from streamer.adapters.kafka.topics import read_settings
from streamer.adapters.redis import client, server
from streamer.adapters.redis.models import RedisModels
from streamer.adapters.redis.url import Form
from streamer.bundles import bundle
from streamer.bundles.acceptance import Trust
from streamer.diagnose import durability
from streamer.diagnose.finding import Finding, Level
from streamer.diagnose.lost_values import lost_values
from streamer.diagnose.source_clocks import source_clocks
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.process import logs
from streamer.service.models import ModelLibrary
from streamer.service.settings import Settings
from streamer.service.topics import check_widths, ensure_topics, service_topics
from streamer.service.weak_connections import exposed_port, weak_choices

_TIMEOUT_S: Final = 5.0  # a person waits for the answer
_LOOPBACK: Final = "127.0.0.1"
_ANY_HOST: Final = ("", "0.0.0.0", "::")  # addresses to listen on that cannot be called
_CODECS: Final = {"gzip": "zlib", "snappy": "snappy", "lz4": "lz4", "zstd": "zstandard"}
_NO_CANARY: Final = "; `streamer canary` proves on each partition that alerts come"
_PACKAGES: Final = ("vigil-icu", "kafka-python", "redis", "numpy", "pydantic")


def checks(settings: Settings) -> Iterator[Finding]:
    """Checks settings, Kafka, Redis, model, service, canary, log and versions, in this order."""
    yield from _configuration(settings)
    yield from _security(settings)
    yield from _guarded("kafka", lambda: _kafka(settings))
    yield from _guarded("redis", lambda: _redis(settings))
    yield from _guarded("model", lambda: _model(settings))
    if settings.http_port:
        yield _program("service", settings, settings.http_port, "STREAMER_HTTP_PORT")
        yield from lost_values(_asked_host(settings), settings.http_port, _TIMEOUT_S)
        yield from source_clocks(_asked_host(settings), settings.http_port, _TIMEOUT_S)
    if settings.canary_http_port:
        yield _program(
            "canary", settings, settings.canary_http_port, "STREAMER_CANARY_HTTP_PORT", _NO_CANARY
        )
    yield _log(settings)
    yield from _versions()
    yield _codecs()


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yields the findings of a check; an error becomes a bad finding with the way out.

    The adapters name the setting that is wrong. Only where nothing runs at all is there more to do.
    """
    try:
        yield from check()
    except (LogUnavailable, StoreUnavailable) as error:
        hint = "; start one with `streamer up`" if "nothing listens" in str(error) else ""
        yield Finding(name, Level.BAD, f"{error}{hint}")
    except (OSError, ValueError) as error:
        remedy = "install the package anew, or publish a model with `trainer models promote`"
        yield Finding(name, Level.BAD, f"{error or type(error).__name__}; {remedy}")


def _configuration(settings: Settings) -> Iterator[Finding]:
    for name, value in settings:
        shown = _as_written(settings.redis_address if name == "redis_url" else value)
        yield Finding("setting", Level.OK, f"{settings.variable(name)}={shown}")


def _as_written(value: object) -> str:
    """A value as the environment and the README have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _security(settings: Settings) -> Iterator[Finding]:
    level = Level.BAD if settings.require_tls else Level.WARN
    for message in weak_choices(settings):
        yield Finding("security", level, message)
    if exposed := exposed_port(settings):
        yield Finding("security", Level.WARN, exposed)


def _kafka(settings: Settings) -> Iterator[Finding]:
    topics = ensure_topics(settings, service_topics(settings), create=False)
    yield Finding("kafka", Level.OK, f"answers at {settings.kafka_bootstrap_servers}")
    for topic in topics:
        fault = Level.WARN if topic.is_optional else Level.BAD
        level = Level.OK if topic.fault is None else fault
        message = f"{topic.name} {topic.fault or f'has {topic.partitions} partitions'}"
        yield Finding("topic", level, message)
    try:
        check_widths(settings, topics)
    except LogUnavailable as error:  # the rest is worth a look all the same
        yield Finding("topic", Level.BAD, str(error))
    for stored in read_settings(
        settings.kafka_connection(), [t.name for t in topics if t.partitions]
    ):
        is_input = stored.name == settings.topic_vitals
        yield from durability.check_topic(stored, is_input=is_input)
        if is_input:
            yield durability.check_compression(stored)
        if stored.name in (settings.topic_risk, settings.topic_alerts):
            yield from durability.check_output_topic(stored)
        if stored.name == settings.topic_rejected:
            yield from durability.check_rejected_topic(stored)
        if stored.name == settings.topic_states:
            yield from durability.check_states_topic(stored)
    n_partitions = next((t.partitions for t in topics if t.name == settings.topic_vitals), 0)
    if n_partitions:
        lag = group_lag(
            settings.kafka_connection(), settings.group, settings.topic_vitals, n_partitions
        )
        yield Finding("lag", Level.OK, f"group {settings.group} is {lag} records behind")


def _redis(settings: Settings) -> Iterator[Finding]:
    address = settings.redis_address
    with contextlib.closing(client.connect(settings.redis, _TIMEOUT_S)) as redis:
        reports = server.reports(redis, ("appendfsync", "min-replicas-to-write"))
    kind = {
        Form.SERVER: "one server",
        Form.SOCKET: "one server",
        Form.SENTINEL: f"the master {address.service} of {len(address.hosts)} Sentinels",
        Form.CLUSTER: f"a Cluster of {len(reports)} masters",
    }[address.form]
    version = reports[0].info["redis_version"]
    yield Finding("redis", Level.OK, f"version {version} answers: {kind}")
    for report in reports:
        yield from durability.check_redis(report, address.form)


def _model(settings: Settings) -> Iterator[Finding]:
    with contextlib.closing(client.connect(settings.redis, _TIMEOUT_S)) as redis:
        channel = RedisModels(redis)
        library = ModelLibrary(channel, settings.trust())
        with logs.silenced():
            champion, in_force = channel.champion(), library.in_force()
    if library.refusal is not None:
        refused = library.refusal
        message = (
            f"the published one is refused ({refused.reason}): {refused}. Services keep the one "
            "before it. Find out who wrote it to Redis; `trainer models rollback` publishes a good "
            "one again"
        )
        yield Finding("model", Level.WARN, message)
    published = "nothing is published" if champion is None else f"publication {champion.version}"
    yield Finding("model", Level.OK, f"{in_force.shown_id}, {published}")
    if settings.forecast and in_force.forecaster is None:
        message = f"STREAMER_FORECAST is on; model {in_force.shown_id}: {bundle.NO_FORECAST}"
        yield Finding("forecast", Level.WARN, message)
    yield _trust(settings.trust())


def _trust(trust: Trust) -> Finding:
    names = ", ".join(key.name for key in trust.keys)
    if trust.allow_unsigned:
        message = (
            "models that nobody signed may take over: whoever can write Redis can replace them"
        )
        return Finding("trust", Level.WARN, message)
    signed = f" and those that are signed by {names}" if names else ""
    return Finding("trust", Level.OK, f"the shipped model{signed} may take over")


def _asked_host(settings: Settings) -> str:
    return _LOOPBACK if settings.http_host in _ANY_HOST else settings.http_host


def _program(name: str, settings: Settings, port: int, setting: str, hint: str = "") -> Finding:
    """Asks a program of this machine, if it runs, whether it is ready."""
    host = _asked_host(settings)
    address = f"{host}:{port}"
    connection = HTTPConnection(host, port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/readyz")
            answer = json.loads(connection.getresponse().read())
            reasons = [
                reason if isinstance(reason, str) else str(reason["says"])
                for reason in answer["reasons"]
            ]
        except ConnectionRefusedError:
            return Finding(name, Level.OK, f"none runs at {address}{hint}")
        except (OSError, HTTPException, ValueError, TypeError, KeyError):
            message = f"port {address} is used by another program; set {setting} to a free port"
            return Finding(name, Level.WARN, message)
    if reasons:
        return Finding(name, Level.WARN, f"at {address} is not ready: {'; '.join(reasons)}")
    return Finding(name, Level.OK, f"at {address} is ready")


def _log(settings: Settings) -> Finding:
    if settings.log_key.get_secret_value():
        return Finding("log", Level.OK, "patients have the same pseudonym at each start")
    message = (
        "STREAMER_LOG_KEY is not set: no pseudonym in the log can be looked up, and they change at "
        "each start"
    )
    return Finding("log", Level.OK, message)


def _codecs() -> Finding:
    missing = [name for name, module in _CODECS.items() if importlib.util.find_spec(module) is None]
    if missing:
        message = (
            f"records that were compressed with {', '.join(missing)} cannot be read and would be "
            "rejected; install the package anew"
        )
        return Finding("codecs", Level.BAD, message)
    return Finding("codecs", Level.OK, f"records may be compressed with {', '.join(_CODECS)}")


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
