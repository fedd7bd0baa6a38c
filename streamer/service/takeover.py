"""Take-over of a partition: where to read on, given store and log, or why it is blocked.

W is the watermark of the saved states, C the group's committed offset. Messages for all events
before C are sent, once and for all; the states include all events before W. After a planned end
W = C; after a crash W < C, by what was not saved yet. So reading starts at W, and the events in
[W, C) change states only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from streamer.core.codec import Era
from streamer.core.model import ID_DIGITS, Model
from streamer.core.time import HOUR_MS
from streamer.ports.log import EventLog
from streamer.ports.states import Lease, StateWrite
from streamer.service.log_days import LogDays
from streamer.service.unsent import UnsentStays

REBUILD_MS: Final = 52 * HOUR_MS
"""How far back states are rebuilt that cannot be restored: the hours that a stay keeps, and three.

That is so while the topic of states has no mark, in the first minutes after an upgrade or with it
off. Of the log before, nothing would be left in the stays but particulars of their admission.
"""

# Without its hash a partition is restored: the one way to a watermark that the log still has.
_GO_ON: Final = (
    "Delete the partition's hash in Redis: its stays are restored from the topic of states, and go "
    "on with the events that are left (docs/operations.md)"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A partition whose states came from the topic of states, each with an offset of its own.

    Attributes:
        since: every change before this offset is in them; reading begins here.
        firsts: the first offset that a stay does not include, by its patient's key.
        whole_from: from this position on, all stays include the same events. Whoever has no stay
            has begun none before it: such events were refused, and are passed over.
        days: of the log from ``since`` on; ``None`` if an earlier version did not note them.
    """

    since: int
    firsts: Mapping[bytes | None, int]
    whole_from: int
    days: LogDays | None


@dataclass(slots=True)
class Partition:
    """An input partition that this process owns.

    Attributes:
        number: the partition.
        epoch: of the ownership; the store refuses writes of an earlier one.
        watermark: W in the store (``None``: nothing is saved yet).
        position: the next offset that the states in memory do not include.
        silent_until: before this offset, events change states only.
        log_id: identity of the input topic.
        era: the model that steps this partition's stays, and how many models did before.
        confirmed: seconds of the monotonic clock when the store last accepted a write of ours.
        unsaved_since: the same, when the states in memory first moved past those in the store;
            ``None`` while they are the same.
        restored: what is to be known while restored stays are replayed; ``None`` for all others.
        unsent: stays that the topic of states does not have as they are; ``None`` without one.
    """

    number: int
    epoch: int
    watermark: int | None
    position: int
    silent_until: int
    log_id: str
    era: Era
    confirmed: float = field(default_factory=time.monotonic)
    unsaved_since: float | None = None
    restored: Restored | None = None
    unsent: UnsentStays | None = None

    def state_write(self, changed: Mapping[str, bytes], removed: Sequence[str] = ()) -> StateWrite:
        """Returns a write of these stays at the present position, fenced by epoch and watermark.

        While restored stays are at different offsets, the store has no watermark for them: whoever
        takes the partition then restores it anew.

        Args:
            changed: encoded stays by patient.
            removed: patients whose stay is gone.
        """
        return StateWrite(
            self.number,
            self.epoch,
            self.watermark,
            self.position if self.is_whole else None,
            self.era.model_id,
            self.era.swaps,
            self.log_id,
            changed,
            removed,
        )

    def confirmation(self) -> StateWrite:
        """Returns a write that changes nothing, and is refused if the states are not ours."""
        return replace(self.state_write({}), watermark=self.watermark)

    @property
    def is_whole(self) -> bool:
        """Whether all stays include the same events, those before the position."""
        return self.restored is None or self.position >= self.restored.whole_from

    @property
    def begins_again_at(self) -> int:
        """The offset from which the states come again if those in memory are dropped."""
        if self.watermark is not None:
            return self.watermark
        assert self.restored is not None, "all others are saved when they are taken"
        return self.restored.since

    @property
    def caught_up(self) -> bool:
        """Whether the states are where the committed messages are."""
        return self.position >= self.silent_until


class PartitionBlocked(RuntimeError):
    """A partition that must not be taken; the message names the reason and the way out.

    Args:
        message: never with a patient's id: it is served to anybody who can reach the HTTP port.
        patient: the patient it is about, if any; the log replaces the id by its pseudonym.
    """

    def __init__(self, message: str, patient: str | None = None) -> None:
        super().__init__(message)
        self.patient = patient


class ModelLost(PartitionBlocked):
    """Only the shipped model is left, and another one has spoken."""


@dataclass(slots=True)
class BlockedPartition:
    """An assigned partition that is not worked on.

    Attributes:
        reason: the reason and the way out.
        since: seconds of the monotonic clock when it was blocked.
        checked_at: the same, when the take-over was last tried.
        until_read: whether it stays blocked though it was taken, until its records can be read:
            damage shows at reading alone.
        until_published: whether it waits for nothing but a published model.
    """

    reason: str
    since: float
    checked_at: float
    until_read: bool = False
    until_published: bool = False


@dataclass(slots=True)
class UntakenPartition:
    """An assigned partition that is yet to be taken.

    Attributes:
        since: seconds of the monotonic clock when it was assigned, or forgotten.
        retry_at: the same, when the take-over is to be tried.
        why: why it could not be taken before; empty until it was tried.
    """

    since: float
    retry_at: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Offsets of a take-over: the first to be read, and the first that causes messages."""

    position: int
    silent_until: int


def plan_start(
    log: EventLog,
    partition: int,
    taken: Lease,
    log_id: str,
    rebuild_ms: int,
    restored_since: int | None = None,
) -> Start:
    """Decides where to start reading a partition that was just taken.

    Args:
        log: gives committed offset, bounds and timestamps.
        partition: the partition.
        taken: the lease on its states; without a watermark they must be rebuilt.
        log_id: identity of the input topic as it is now.
        rebuild_ms: milliseconds before C at which a rebuild starts, by record timestamps.
        restored_since: the offset from which restored states go on; ``None``: none were restored.

    Raises:
        PartitionBlocked: going on would lose or double messages, or mix states.
        LogUnavailable: the log does not answer.
    """
    watermark, committed = taken.watermark, log.committed(partition)
    first, end = log.bounds(partition)
    if taken.log_id is not None and taken.log_id != log_id:
        raise PartitionBlocked(
            "the input topic was created anew since these states were saved. If its events are a "
            "new start, delete the partition's hash in Redis: all stays of the old topic end "
            "(docs/operations.md)"
        )
    if committed is not None and committed > end:
        raise PartitionBlocked(
            f"the consumer group's committed offset {committed} lies behind the end of the topic, "
            f"{end}: the log has lost events, or is another one. Set the group's offset to {end} "
            "with Kafka's own tools (docs/operations.md)"
        )
    if watermark is None:
        if committed is None:
            return Start(first, first)
        if restored_since is not None:
            return Start(max(first, restored_since), committed)
        return Start(_rebuild_from(log, partition, committed, first, rebuild_ms), committed)
    if committed is None and watermark > first:
        raise PartitionBlocked(
            f"the states include everything before offset {watermark}, but the consumer group has "
            "no committed offset: it was deleted or has expired. Set it back to "
            f"{watermark} with Kafka's own tools (docs/operations.md)"
        )
    if watermark > end:
        raise PartitionBlocked(
            f"the states end at offset {watermark}, the topic holds {first} to {end}: the log has "
            f"lost events that the states include. {_GO_ON}"
        )
    if committed is not None and watermark > committed:
        raise PartitionBlocked(
            f"the states are ahead of the log: watermark {watermark}, committed offset "
            f"{committed}. The group's offsets were set back. Set them to {watermark} with Kafka's "
            "own tools (docs/operations.md)"
        )
    if watermark < first:
        raise PartitionBlocked(
            f"the states end at offset {watermark}, the topic holds {first} to {end}: events that "
            f"were never seen are gone. {_GO_ON}"
        )
    return Start(watermark, watermark if committed is None else committed)


def block_changed_width(first_width: int, n_partitions: int) -> None:
    """Blocks all partitions of a topic that was widened after its first states were saved.

    Args:
        first_width: partitions when the first states were saved.
        n_partitions: partitions now.

    Raises:
        PartitionBlocked: the two differ.
    """
    if n_partitions != first_width:
        raise PartitionBlocked(
            f"the input topic has {n_partitions} partitions, and had {first_width} when its first "
            "states were saved: producers now send patients to other partitions than their states "
            "are on. Feed a new topic of the wanted width (docs/operations.md)"
        )


def block_lost_model(log: EventLog, partition: int, in_force: Model) -> None:
    """Blocks a partition that a published model spoke for, where only the shipped one is left.

    One that is new is for the model that speaks for the others.

    Args:
        log: has the notes of the committed offsets: which published model has spoken.
        partition: its offset was asked for.
        in_force: the shipped model.

    Raises:
        ModelLost: another model has spoken.
        LogUnavailable: the log does not answer.
    """
    noted, whom = log.noted(partition), "it"
    if noted is None:
        noted, whom = log.noted_elsewhere(partition), "other partitions"
    if noted and noted != in_force.model_id:
        raise ModelLost(
            f"the published model {noted[:ID_DIGITS]} that spoke for {whom} is lost; "
            f"{in_force.shown_id} would speak instead. Publish the one that is to speak "
            "(`trainer models promote`, docs/operations.md)"
        )


def _rebuild_from(
    log: EventLog, partition: int, committed: int, first: int, rebuild_ms: int
) -> int:
    newest_ms = log.timestamp_at(partition, committed) if committed > first else None
    if newest_ms is None:
        return first
    offset = log.offset_at(partition, newest_ms - rebuild_ms)
    return committed if offset is None else max(first, min(offset, committed))
