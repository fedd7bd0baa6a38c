"""The consumer's listener of changes of its partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kafka import ConsumerRebalanceListener, TopicPartition


@dataclass(slots=True)
class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes revoked partitions, and nothing else: a listener must neither block nor call back."""

    revoked: set[int] = field(default_factory=set)

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Notes them, by number."""
        self.revoked.update(tp.partition for tp in revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """The assignment itself is read after each poll."""

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        """They are revoked, too."""
        self.on_partitions_revoked(lost)
