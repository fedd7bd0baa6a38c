"""Creates missing topics and checks existing ones."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.errors import kafka_errors

_WRITES: Final = {"WRITE", "ALL"}
# A broker that is up answers at once; a person who waits wants to know soon that it is away.
_REACH_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be; ``configs`` are set on a topic that is created.

    Without an optional one the service works: that it may not be created or seen stops nothing.
    It is at least as wide as the topic that it ``follows``, whoever made that one.
    """

    name: str
    partitions: int
    configs: Mapping[str, str]
    is_optional: bool = False
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """A topic as it is after ``ensure``; ``fault`` names what is wrong, and the way out."""

    name: str
    partitions: int
    created: bool
    fault: str | None
    is_optional: bool = False


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
            described = _described(admin, wanted)
            partitions = _partitions(described)
            wanted = [_as_wide(topic, partitions) for topic in wanted]
            missing = [topic for topic in wanted if topic.name not in partitions]
            if create and missing:
                _create(admin, [one for one in missing if not one.is_optional], replication)
                with contextlib.suppress(AuthorizationError):
                    _create(admin, [one for one in missing if one.is_optional], replication)
                described += _described(admin, missing)
                partitions = _partitions(described)
            writable = {one["name"] for one in described if may_be_written(one)}
    created = {topic.name for topic in missing if topic.name in partitions} if create else set()
    return [
        _status(
            topic,
            partitions.get(topic.name, 0),
            topic.name in created,
            is_writable=topic.name in writable,
        )
        for topic in wanted
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


def may_be_written(described: Mapping[str, Any]) -> bool:
    """Whether a described topic is there, and this user may write it."""
    operations = described.get("authorized_operations")
    # A broker before 2.3 does not say: a failure will.
    return bool(described["partitions"]) and (not operations or bool(_WRITES & set(operations)))


def _described(admin: Any, topics: list[TopicSpec]) -> list[Mapping[str, Any]]:
    """Only these topics: a description of all that a large cluster has takes seconds."""
    return list(admin.describe_topics([topic.name for topic in topics]))


def _partitions(described: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many partitions each topic has; one that is missing or hidden is left out."""
    return {one["name"]: len(one["partitions"]) for one in described if one["partitions"]}


def _as_wide(topic: TopicSpec, partitions: Mapping[str, int]) -> TopicSpec:
    """The topic with the partitions of the one that it follows, if that has more."""
    followed = partitions.get(topic.follows or "", 0)
    return replace(topic, partitions=max(topic.partitions, followed))


def _create(admin: Any, missing: list[TopicSpec], replication: int) -> None:
    topics = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication,
            "configs": dict(topic.configs),
        }
        for topic in missing
    }
    if not topics:
        return
    # Of two processes that start at once and see them missing, one is late.
    with contextlib.suppress(TopicAlreadyExistsError):
        admin.create_topics(topics, wait_for_metadata=True)


def _status(wanted: TopicSpec, partitions: int, created: bool, *, is_writable: bool) -> TopicStatus:
    fault = None
    if partitions == 0:
        fault = "is missing, or hidden from this user; run `streamer topics`"
    elif partitions < wanted.partitions:
        fault = (
            f"has {partitions} partitions where {wanted.partitions} are needed: outputs go to the "
            "partition of their input"
        )
    elif wanted.is_optional and not is_writable:
        fault = "may not be written by this user: services leave out what belongs there"
    return TopicStatus(wanted.name, partitions, created, fault, wanted.is_optional)
