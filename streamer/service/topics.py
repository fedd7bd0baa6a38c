"""Topics of the service, with the settings that each needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from streamer.adapters.kafka.options import MAX_MESSAGE_BYTES
from streamer.adapters.kafka.topics import TopicSpec, TopicStatus, ensure
from streamer.core.time import DAY_MS, HOUR_MS
from streamer.ports.log import LogUnavailable
from streamer.service.settings import Settings

# Brokers delete by record timestamp, after a week by default. A replayed stay of two weeks is older
# than that when it is sent, and lost states are rebuilt from the records that are still kept.
RETENTION_MS: Final = str(30 * DAY_MS)
# A restore reads all of it. A partition's last segment is not compacted, so segments are small and
# are closed after an hour; a tenth of old records is worth compacting.
STATES_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": str(16 * 1024 * 1024),
    "segment.ms": str(HOUR_MS),
    "min.cleanable.dirty.ratio": "0.1",
}


# What canaries have caused is heard within seconds; a day is for those who look into a loss.
CANARY_MS: Final = str(DAY_MS)
# Alerts with what people did about them are the record of it: a year, and a month to look back.
AUDIT_MS: Final = str(400 * DAY_MS)


def wanted(settings: Settings) -> list[TopicSpec]:
    """Returns all topics of the service, its feeds and its subscribers."""
    return [
        *service_topics(settings),
        *replay_topics(settings),
    ]


def feed_topics(settings: Settings) -> list[TopicSpec]:
    """Returns the topics that the feeds write to."""
    fed = {settings.topic_vitals, settings.topic_outcomes}
    return [topic for topic in wanted(settings) if topic.name in fed]


def replay_topics(settings: Settings) -> list[TopicSpec]:
    """Returns the topic of the marks, which a replay of rejected events writes."""
    # The mark of a replayed record must outlive the record.
    return [TopicSpec(settings.topic_replayed, 1, {"cleanup.policy": "compact"})]


def service_topics(settings: Settings) -> list[TopicSpec]:
    """Returns the topics that the service reads and writes."""
    vitals = TopicSpec(settings.topic_vitals, settings.partitions, {"retention.ms": RETENTION_MS})
    return [vitals, *output_topics(settings)]


def output_topics(settings: Settings) -> list[TopicSpec]:
    """Returns the topics that the service writes, in its transactions."""
    return [
        _beside_vitals(settings, settings.topic_alerts, {"retention.ms": AUDIT_MS}),
        _beside_vitals(settings, settings.topic_risk, {}),
        _beside_vitals(settings, settings.topic_stays, {"cleanup.policy": "compact"}),
        _beside_vitals(settings, settings.topic_outcomes, {"retention.ms": AUDIT_MS}),
        # A rejected record may be as large as any message, and people need time to look at it.
        TopicSpec(
            settings.topic_rejected,
            1,
            {"max.message.bytes": str(MAX_MESSAGE_BYTES), "retention.ms": RETENTION_MS},
        ),
        *canary_topics(settings),
        *(
            [_beside_vitals(settings, settings.topic_states, STATES_CONFIGS)]
            if settings.states_seconds
            else []
        ),
    ]


def canary_topics(settings: Settings) -> list[TopicSpec]:
    """Returns the topics on which canaries are heard."""
    names = (settings.topic_risk_canary, settings.topic_alerts_canary)
    configs = {"retention.ms": CANARY_MS}
    return [replace(_beside_vitals(settings, name, configs), is_optional=True) for name in names]


def _beside_vitals(settings: Settings, name: str, configs: Mapping[str, str]) -> TopicSpec:
    """A topic whose messages go to the partition of their input."""
    return TopicSpec(name, settings.partitions, configs, follows=settings.topic_vitals)


def check_widths(settings: Settings, topics: Sequence[TopicStatus]) -> None:
    """Checks that each message has a partition to go to: that of its input.

    Raises:
        LogUnavailable: an output topic is narrower than the input.
    """
    widths = {topic.name: topic.partitions for topic in topics}
    needed = widths[settings.topic_vitals]
    optional = {topic.name for topic in canary_topics(settings)}
    narrow = [
        f"{name} has {widths[name]}"
        for name in (
            settings.topic_risk,
            settings.topic_alerts,
            settings.topic_stays,
            settings.topic_outcomes,
            settings.topic_states,
            settings.topic_risk_canary,
            settings.topic_alerts_canary,
        )
        if widths.get(name, needed) < needed and not (name in optional and widths[name] == 0)
    ]
    if narrow:
        raise LogUnavailable(
            f"wider topics: {settings.topic_vitals} has {needed} partitions, {', '.join(narrow)}, "
            "and messages go to the partition of their input. Add partitions to them"
        )


def ensure_topics(
    settings: Settings, topics: Sequence[TopicSpec] | None = None, *, create: bool = True
) -> list[TopicStatus]:
    """Creates missing topics, if ``create``, and reports on them.

    Args:
        settings: how to reach Kafka, and the names.
        topics: those that are needed; ``None`` for all of ``wanted``.
        create: whether to create those that are missing; else nothing is written.

    Raises:
        LogUnavailable: no broker answers, or it does not allow this.
    """
    asked = wanted(settings) if topics is None else list(topics)
    return ensure(settings.kafka_connection(), asked, settings.replication, create=create)
