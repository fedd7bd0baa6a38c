"""Taking a partition: from what store and log say to where to read on, and when to refuse.

W is the watermark of the saved states, C the group's committed offset. Messages for everything
before C were sent once and for all; states include everything before W; normally W = C, after a
crash between the two effects W < C. So reading starts at W, and [W, C) changes states only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamer.core.codec import Era
from streamer.ports.log import EventLog
from streamer.ports.states import Lease, StateWrite


@dataclass(slots=True)
class Partition:
    """An input partition that this process owns.

    Attributes:
        epoch: of the ownership; what the store checks.
        watermark: what the store has (``None``: nothing yet).
        position: the next offset that the states in memory do not include.
        silent_until: before this offset, events change states only.
        log_id: identity of the input topic.
        era: the model that steps this partition's stays, and how many did before.
        confirmed: when the store last said that the partition is ours, on the monotonic clock.
    """

    number: int
    epoch: int
    watermark: int | None
    position: int
    silent_until: int
    log_id: str
    era: Era
    confirmed: float = field(default_factory=time.monotonic)

    def save(self, changed: Mapping[str, bytes], removed: Sequence[str] = ()) -> StateWrite:
        """A save of these stays, at the present position; refused unless the partition is ours."""
        return StateWrite(
            self.number,
            self.epoch,
            self.watermark,
            self.position,
            self.era.model_id,
            self.era.swaps,
            self.log_id,
            changed,
            removed,
        )

    @property
    def caught_up(self) -> bool:
        """Whether the states are where the committed messages are."""
        return self.position >= self.silent_until


class PartitionBlocked(RuntimeError):
    """A partition that must not be taken; the message says why and the way out.

    The message goes where anybody reads it: of the patient it speaks of without a name.

    Args:
        message: the reason and the way out.
        patient: whom it is about, for the log, which knows how to hide them.
    """

    def __init__(self, message: str, patient: str | None = None) -> None:
        super().__init__(message)
        self.patient = patient


@dataclass(slots=True)
class BlockedPartition:
    """Why a partition is not worked on, since when, and when it was last looked at (monotonic)."""

    reason: str
    since: float
    checked_at: float


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading starts, and until where it is silent."""

    position: int
    silent_until: int


def plan_start(log: EventLog, partition: int, taken: Lease, log_id: str, rebuild_ms: int) -> Start:
    """Decides where to start reading a partition that was just taken.

    Args:
        log: asked for committed offset, bounds and timestamps.
        partition: the partition.
        taken: what the store has; a watermark of ``None`` means that states must be rebuilt.
        log_id: the input topic's identity now.
        rebuild_ms: how far before C a rebuild starts, by record timestamps.

    Raises:
        PartitionBlocked: going on would lose, double or mix something.
        LogUnavailable: the log does not answer.
    """
    watermark, committed = taken.watermark, log.committed(partition)
    first, end = log.bounds(partition)
    if taken.log_id is not None and taken.log_id != log_id:
        raise PartitionBlocked(
            "the input topic was created anew since these states were saved. If its events are a "
            "new start, delete the partition's states in Redis (docs/operations.md)"
        )
    if committed is not None and committed > end:
        raise PartitionBlocked(
            f"the consumer group's committed offset {committed} lies behind the end of the topic, "
            f"{end}: the log has lost events, or is another one. Set the group's offset to {end} "
            "with Kafka's own tools and delete the partition's states in Redis "
            "(docs/operations.md)"
        )
    if watermark is None:
        if committed is None:
            return Start(first, first)
        return Start(_rebuild_from(log, partition, committed, first, rebuild_ms), committed)
    if committed is None and watermark > first:
        raise PartitionBlocked(
            f"the states include everything before offset {watermark}, but the consumer group has "
            "no committed offset: it was deleted or has expired. Set it back to "
            f"{watermark} with Kafka's own tools (docs/operations.md)"
        )
    if committed is not None and watermark > committed:
        raise PartitionBlocked(
            f"the states are ahead of the log: watermark {watermark}, committed offset "
            f"{committed}. The group's offsets were set back. Set them to {watermark}, or delete "
            "the partition's states in Redis to rebuild them (docs/operations.md)"
        )
    if watermark < first or watermark > end:
        raise PartitionBlocked(
            f"the states end at offset {watermark}, the topic holds {first} to {end}: events that "
            "were never seen are gone. Delete the partition's states in Redis to start from what "
            "is there (docs/operations.md)"
        )
    return Start(watermark, watermark if committed is None else committed)


def block_changed_width(first_width: int, n_partitions: int) -> None:
    """Refuses a topic that has more partitions than when its states were begun.

    Args:
        first_width: how many it had then.
        n_partitions: how many it has now.

    Raises:
        PartitionBlocked: they differ.
    """
    if n_partitions != first_width:
        raise PartitionBlocked(
            f"the input topic has {n_partitions} partitions, and had {first_width} when its first "
            "states were saved: producers now put patients on other partitions than their states "
            "are on. Feed a new topic of the wanted width (docs/operations.md)"
        )


def _rebuild_from(
    log: EventLog, partition: int, committed: int, first: int, rebuild_ms: int
) -> int:
    newest_ms = log.timestamp_at(partition, committed) if committed > first else None
    if newest_ms is None:
        return first
    found = log.offset_at(partition, newest_ms - rebuild_ms)
    return committed if found is None else max(first, min(found, committed))
