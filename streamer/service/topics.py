"""The topics of the contract, with the settings that each needs."""

from __future__ import annotations

from typing import Final

from streamer.adapters.kafka.options import MAX_MESSAGE_BYTES
from streamer.adapters.kafka.topics import Found, Wanted, ensure
from streamer.service.settings import Settings

# Brokers delete by record timestamp, after a week unless told otherwise. A replayed stay of two
# weeks is older than that when it is sent, and lost states are rebuilt from what is still there.
RETENTION_MS: Final = str(30 * 24 * 3_600_000)


def wanted(settings: Settings) -> list[Wanted]:
    """Returns the topics that the service and its neighbours use."""
    fed = (settings.topic_vitals, settings.topic_outcomes)
    others = (settings.topic_alerts, settings.topic_risk, settings.topic_actions)
    return [
        *(Wanted(name, settings.partitions, {"retention.ms": RETENTION_MS}) for name in fed),
        *(Wanted(name, settings.partitions, {}) for name in others),
        # What is refused may be as large as anything that is written, and people need time.
        Wanted(
            settings.topic_rejected,
            1,
            {"max.message.bytes": str(MAX_MESSAGE_BYTES), "retention.ms": RETENTION_MS},
        ),
        # A mark must outlive the record that it is about.
        Wanted(settings.topic_replayed, 1, {"cleanup.policy": "compact"}),
    ]


def ensure_topics(settings: Settings, *, create: bool = True) -> list[Found]:
    """Creates what is missing, if ``create``, and reports on all topics.

    Raises:
        LogUnavailable: no broker answers.
    """
    topics = wanted(settings)
    return ensure(settings.kafka_connection(), topics, settings.replication, create=create)
