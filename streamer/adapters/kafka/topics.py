"""Topics as the service needs them: made where missing, checked where they are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.ports.log import LogUnavailable

# A broker that is up answers at once; whoever waits for one wants to know soon.
_REACH_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be; ``configs`` are given to topics that are made."""

    name: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is after ``ensure``; ``fault`` says what is wrong and what to do."""

    name: str
    partitions: int
    created: bool
    fault: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How a topic is kept: the least number of replicas of a partition, and its settings."""

    name: str
    replicas: int
    configs: Mapping[str, str]


def ensure(
    connection: Mapping[str, Any], wanted: list[Wanted], replication: int, *, create: bool = True
) -> list[Found]:
    """Creates the topics that are missing and compares the others.

    Raises:
        LogUnavailable: no broker answers, or it does not allow this.
    """
    try:
        admin = TidyAdmin(**connection, bootstrap_timeout_ms=_REACH_TIMEOUT_MS)
        with contextlib.closing(admin):
            existing = set(admin.list_topics())
            missing = [topic for topic in wanted if topic.name not in existing]
            if create and missing:
                _create(admin, missing, replication)
                existing |= {topic.name for topic in missing}
            present = [topic for topic in wanted if topic.name in existing]
            described = {
                topic["name"]: len(topic["partitions"])
                for topic in admin.describe_topics([topic.name for topic in present])
            }
    except (KafkaError, OSError) as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error
    made = {topic.name for topic in missing} if create else set()
    return [_judge(topic, described.get(topic.name, 0), topic.name in made) for topic in wanted]


def kept(connection: Mapping[str, Any], names: Sequence[str]) -> list[Kept]:
    """Asks the brokers how topics are kept that are known to be there.

    Raises:
        LogUnavailable: no broker answers, or it does not allow this.
    """
    if not names:
        return []
    try:
        admin = TidyAdmin(**connection, bootstrap_timeout_ms=_REACH_TIMEOUT_MS)
        with contextlib.closing(admin):
            resources = [ConfigResource("TOPIC", name) for name in names]
            (configs,) = admin.describe_configs(resources, config_filter="all").values()
            replicas = {
                topic["name"]: min(len(one["replica_nodes"]) for one in topic["partitions"])
                for topic in admin.describe_topics(list(names))
            }
    except (KafkaError, OSError) as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error
    return [
        Kept(name, replicas[name], {key: one["value"] for key, one in configs[name].items()})
        for name in names
    ]


def _create(admin: Any, missing: list[Wanted], replication: int) -> None:
    topics = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": replication,
            "configs": dict(topic.configs),
        }
        for topic in missing
    }
    # Two processes that start at once both find them missing; one of them is late.
    with contextlib.suppress(TopicAlreadyExistsError):
        admin.create_topics(topics, wait_for_metadata=True)


def _judge(wanted: Wanted, partitions: int, created: bool) -> Found:
    fault = None
    if partitions == 0:
        fault = "is missing; run `streamer topics`"
    elif partitions < wanted.partitions:
        fault = (
            f"has {partitions} partitions where {wanted.partitions} are needed: outputs go to the "
            "partition of their input"
        )
    return Found(wanted.name, partitions, created, fault)
