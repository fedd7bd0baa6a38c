"""Checks of the settings of Kafka and Redis that the promises of docs/guarantees.md depend on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.adapters.kafka.options import BATCH_BYTES, MAX_MESSAGE_BYTES, RECORD_BATCH_OVERHEAD
from streamer.adapters.kafka.topics import TopicSettings
from streamer.adapters.redis.server import ServerReport
from streamer.adapters.redis.url import Form
from streamer.core.time import HOUR_MS
from streamer.diagnose.finding import Finding, Level
from streamer.service.takeover import REBUILD_MS

_OLDEST_REDIS: Final = 7  # tried, and known to the rules of deploy/acl/redis.sh; Valkey says 7.2.4
_REBUILD_HOURS: Final = REBUILD_MS // HOUR_MS


def check_topic(topic: TopicSettings, *, is_input: bool = False) -> Iterator[Finding]:
    """Checks replicas and settings of a topic; yields nothing where they are good.

    Args:
        topic: replicas and settings as the brokers report them.
        is_input: whether states are replayed from it, so that it must reach back.
    """
    replicas = topic.replicas
    insync = int(topic.configs.get("min.insync.replicas", "1"))
    if replicas < 2:
        message = f"{topic.name} has one replica: what is committed is lost with its broker's disk"
        yield Finding("kept", Level.WARN, f"{message}. In production give it 3")
    elif insync < 2:
        message = (
            f"{topic.name} has {replicas} replicas and min.insync.replicas {insync}: what one "
            "broker alone has taken counts as committed. Set it to 2"
        )
        yield Finding("kept", Level.BAD, message)
    elif insync >= replicas:
        message = (
            f"{topic.name} needs all of its {replicas} replicas in sync: the service stands still "
            f"when one is away. Set min.insync.replicas to {replicas - 1}"
        )
        yield Finding("kept", Level.WARN, message)
    if topic.configs.get("unclean.leader.election.enable") == "true":
        message = (
            f"{topic.name} allows unclean leader election: a broker that missed committed records "
            "may be put in charge of them. Set unclean.leader.election.enable to false"
        )
        yield Finding("kept", Level.BAD, message)
    if is_input:
        yield from _check_retention(topic)


def _check_retention(topic: TopicSettings) -> Iterator[Finding]:
    if "compact" in topic.configs.get("cleanup.policy", "delete"):
        message = f"{topic.name} is compacted: only the last event of each patient would be kept"
        yield Finding("kept", Level.BAD, f"{message}. Set cleanup.policy to delete")
    kept_ms = int(topic.configs.get("retention.ms", "-1"))
    if 0 <= kept_ms < REBUILD_MS:
        message = (
            f"{topic.name} is kept for {kept_ms / HOUR_MS:.3g} h: events may be gone before an "
            f"outage has passed. Set retention.ms to {_REBUILD_HOURS} h or more"
        )
        yield Finding("kept", Level.BAD, message)
    if int(topic.configs.get("retention.bytes", "-1")) >= 0:
        message = (
            f"{topic.name} is bounded by retention.bytes as well: on a busy day events may be gone "
            f"before an outage has passed. Make sure that it holds {_REBUILD_HOURS} h, or set it "
            "to -1"
        )
        yield Finding("kept", Level.WARN, message)


def check_output_topic(topic: TopicSettings) -> Iterator[Finding]:
    """Checks that a topic of messages takes as many bytes at once as the service sends."""
    most = int(topic.configs.get("max.message.bytes", "0"))
    if most < BATCH_BYTES + RECORD_BATCH_OVERHEAD:
        message = (
            f"{topic.name} takes {most} bytes at once: no transaction may go through. Set "
            "max.message.bytes to 1048588"
        )
        yield Finding("kept", Level.BAD, message)


def check_states_topic(topic: TopicSettings) -> Iterator[Finding]:
    """Checks that the topic of states keeps the last record of each stay, for ever."""
    policy = topic.configs.get("cleanup.policy", "delete")
    if policy != "compact":
        message = (
            f"{topic.name} has cleanup.policy {policy}: stays of patients who lie still are "
            "deleted, and a lost Redis is restored without them. Set it to compact"
        )
        yield Finding("kept", Level.BAD, message)


def check_compression(topic: TopicSettings) -> Finding:
    """Names the compression that brokers give the records of the input."""
    stored = topic.configs.get("compression.type", "producer")
    named = "as their producers send them" if stored == "producer" else f"with {stored}"
    return Finding("codecs", Level.OK, f"{topic.name} keeps its records {named}")


def check_rejected_topic(topic: TopicSettings) -> Iterator[Finding]:
    """Checks that the topic of rejected events takes the largest record that is written to it.

    The limit of the input topic does not show it: records come in compressed.
    """
    most = int(topic.configs.get("max.message.bytes", "0"))
    if most < MAX_MESSAGE_BYTES:
        message = (
            f"{topic.name} takes messages of {most} bytes: the service stands still at a rejected "
            f"record that is larger. Set max.message.bytes to {MAX_MESSAGE_BYTES}"
        )
        yield Finding("kept", Level.BAD, message)


def check_redis(report: ServerReport, form: Form) -> Iterator[Finding]:
    """Checks that a Redis keeps states; yields nothing where its settings are good.

    Args:
        report: its answers to INFO and CONFIG GET.
        form: what REDIS_URL says that it is.
    """
    info, name = report.info, report.name and f"{report.name} "
    mode = info.get("redis_mode", "standalone")
    if mode == "cluster" and form is not Form.CLUSTER:
        message = "is a node of a Redis Cluster. Write REDIS_URL as redis+cluster://HOST:PORT"
        yield Finding("redis", Level.BAD, f"{name}{message}")
    if mode == "sentinel":
        message = "is a Sentinel, which keeps no states. Write REDIS_URL as redis+sentinel://"
        yield Finding("redis", Level.BAD, f"{name}{message}HOST:26379/NAME/0")
        return
    version = str(info.get("redis_version", _OLDEST_REDIS))
    if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < _OLDEST_REDIS:
        message = f"is version {version}, which nobody tried; take Redis 7.0 or Valkey 8, or newer"
        yield Finding("redis", Level.WARN, f"{name}{message}")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        message = f"maxmemory-policy is {policy}: Redis may throw patients' states away"
        yield Finding("redis", Level.BAD, f"{name}{message}. Set it to noeviction")
    if info.get("role") == "slave":
        message = "is a read-only replica: states cannot be saved. Set REDIS_URL to the master"
        yield Finding("redis", Level.BAD, f"{name}{message}, or use redis+sentinel://")
    if not info.get("aof_enabled"):
        message = "appendonly is off: after a restart states are restored from Kafka"
        yield Finding("redis", Level.WARN, f"{name}{message}")
    elif report.configs.get("appendfsync") == "no":
        message = (
            "appendfsync is no: a machine that fails takes up to half a minute of states with it, "
            "which are then replayed from Kafka. Set it to everysec"
        )
        yield Finding("redis", Level.WARN, f"{name}{message}")
    replicas = info.get("connected_slaves", 0)
    if replicas and report.configs.get("min-replicas-to-write") == "0":
        message = (
            "has replicas and min-replicas-to-write 0: a master that is cut off takes writes that "
            "its successor does not have, which are then replayed from Kafka. Set it to 1"
        )
        yield Finding("redis", Level.WARN, f"{name}{message}")
    if form in {Form.SENTINEL, Form.CLUSTER} and not replicas:
        message = "has no replica: there is nothing to fail over to"
        yield Finding("redis", Level.WARN, f"{name}{message}")
