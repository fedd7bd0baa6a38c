"""Creates missing topics and checks existing ones."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka.admin import ConfigResource
from kafka.errors import TopicAlreadyExistsError

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.errors import kafka_errors

# A broker that is up answers at once; a person who waits wants to know soon that it is away.
_REACH_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be; ``configs`` are set on a topic that is created."""

    name: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """A topic as it is after ``ensure``; ``fault`` names what is wrong, and the way out."""

    name: str
    partitions: int
    created: bool
    fault: str | None


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """The least number of replicas of a topic's partitions, and its settings by name."""

    name: str
    replicas: int
    configs: Mapping[str, str]


def ensure(
    connection: Mapping[str, Any], wanted: list[TopicSpec], replication: int, *, create: bool = True
) -> list[TopicStatus]:
    """Creates the topics that are missing and compares the others.

    Raises:
        LogUnavailable: no broker answers, or it does not allow this.
    """
    with kafka_errors():
        admin = TidyAdmin(**connection, bootstrap_timeout_ms=_REACH_TIMEOUT_MS)
        with contextlib.closing(admin):
            partitions = _partitions(admin, wanted)
            missing = [topic for topic in wanted if topic.name not in partitions]
            if create and missing:
                _create(admin, missing, replication)
                partitions |= _partitions(admin, missing)
    created = {topic.name for topic in missing} if create else set()
    return [
        _status(topic, partitions.get(topic.name, 0), topic.name in created) for topic in wanted
    ]


def read_settings(connection: Mapping[str, Any], names: Sequence[str]) -> list[TopicSettings]:
    """Reads replicas and settings of topics that exist.

    Raises:
        LogUnavailable: no broker answers, or it does not allow this.
    """
    if not names:
        return []
    with kafka_errors():
        admin = TidyAdmin(**connection, bootstrap_timeout_ms=_REACH_TIMEOUT_MS)
        with contextlib.closing(admin):
            resources = [ConfigResource("TOPIC", name) for name in names]
            (configs,) = admin.describe_configs(resources, config_filter="all").values()
            replicas = {
                topic["name"]: min(len(p["replica_nodes"]) for p in topic["partitions"])
                for topic in admin.describe_topics(list(names))
            }
    return [
        TopicSettings(
            name, replicas[name], {key: one["value"] for key, one in configs[name].items()}
        )
        for name in names
    ]


def _partitions(admin: Any, topics: list[TopicSpec]) -> dict[str, int]:
    """How many partitions each topic has; one that is missing or hidden is left out.

    Only these topics are asked for: a description of all that a large cluster has takes seconds.
    """
    described = admin.describe_topics([topic.name for topic in topics])
    return {one["name"]: len(one["partitions"]) for one in described if one["partitions"]}


def _create(admin: Any, missing: list[TopicSpec], replication: int) -> None:
    topics = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication,
            "configs": dict(topic.configs),
        }
        for topic in missing
    }
    # Of two processes that start at once and see them missing, one is late.
    with contextlib.suppress(TopicAlreadyExistsError):
        admin.create_topics(topics, wait_for_metadata=True)


def _status(wanted: TopicSpec, partitions: int, created: bool) -> TopicStatus:
    fault = None
    if partitions == 0:
        fault = "is missing, or hidden from this user; run `streamer topics`"
    elif partitions < wanted.partitions:
        fault = (
            f"has {partitions} partitions where {wanted.partitions} are needed: outputs go to the "
            "partition of their input"
        )
    return TopicStatus(wanted.name, partitions, created, fault)
