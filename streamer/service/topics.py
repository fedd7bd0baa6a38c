"""The topics of the contract, with the settings that each needs."""

from __future__ import annotations

from streamer.adapters.kafka_log import MAX_MESSAGE_BYTES
from streamer.adapters.kafka_topics import Found, Wanted, ensure
from streamer.service.settings import Settings


def wanted(settings: Settings) -> list[Wanted]:
    """Returns the topics that the service and its neighbours use."""
    keyed = (
        settings.topic_vitals,
        settings.topic_alerts,
        settings.topic_risk,
        settings.topic_actions,
        settings.topic_outcomes,
    )
    return [
        *(Wanted(name, settings.partitions, {}) for name in keyed),
        # What is refused may be as large as anything that the broker lets in.
        Wanted(settings.topic_rejected, 1, {"max.message.bytes": str(MAX_MESSAGE_BYTES)}),
    ]


def ensure_topics(settings: Settings, *, create: bool = True) -> list[Found]:
    """Creates what is missing, if ``create``, and reports on all topics.

    Raises:
        LogUnavailable: no broker answers.
    """
    topics = wanted(settings)
    return ensure(settings.kafka_connection(), topics, settings.replication, create=create)
