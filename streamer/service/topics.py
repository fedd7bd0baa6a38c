"""Topics of the service, with the settings that each needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamer.adapters.kafka.options import MAX_MESSAGE_BYTES
from streamer.adapters.kafka.topics import TopicSpec, TopicStatus, ensure
from streamer.core.time import DAY_MS
from streamer.ports.log import LogUnavailable
from streamer.service.settings import Settings

# Brokers delete by record timestamp, after a week by default. A replayed stay of two weeks is older
# than that when it is sent, and lost states are rebuilt from the records that are still kept.
RETENTION_MS: Final = str(30 * DAY_MS)


def wanted(settings: Settings) -> list[TopicSpec]:
    """Returns the topics that the service, its feeds and its subscribers use."""
    fed = (settings.topic_vitals, settings.topic_outcomes)
    others = (settings.topic_alerts, settings.topic_risk, settings.topic_actions)
    return [
        *(TopicSpec(name, settings.partitions, {"retention.ms": RETENTION_MS}) for name in fed),
        *(TopicSpec(name, settings.partitions, {}) for name in others),
        # A rejected record may be as large as any message, and people need time to look at it.
        TopicSpec(
            settings.topic_rejected,
            1,
            {"max.message.bytes": str(MAX_MESSAGE_BYTES), "retention.ms": RETENTION_MS},
        ),
        # The mark of a replayed record must outlive the record.
        TopicSpec(settings.topic_replayed, 1, {"cleanup.policy": "compact"}),
    ]


def check_widths(settings: Settings, topics: Sequence[TopicStatus]) -> None:
    """Checks that each message has a partition to go to: that of its input.

    Raises:
        LogUnavailable: an output topic is narrower than the input.
    """
    widths = {topic.name: topic.partitions for topic in topics}
    needed = widths[settings.topic_vitals]
    narrow = [
        f"{name} has {widths[name]}"
        for name in (settings.topic_risk, settings.topic_alerts)
        if widths[name] < needed
    ]
    if narrow:
        raise LogUnavailable(
            f"wider topics: {settings.topic_vitals} has {needed} partitions, {', '.join(narrow)}, "
            "and messages go to the partition of their input. Add partitions to them"
        )


def ensure_topics(settings: Settings, *, create: bool = True) -> list[TopicStatus]:
    """Creates missing topics, if ``create``, and reports on all of them.

    Raises:
        LogUnavailable: no broker answers.
    """
    topics = wanted(settings)
    return ensure(settings.kafka_connection(), topics, settings.replication, create=create)
