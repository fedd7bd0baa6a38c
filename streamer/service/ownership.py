"""Ownership of partitions: take, drop or block them, and set the position each is read from."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.core.codec import Era
from streamer.core.model import Model
from streamer.core.records import Records
from streamer.ports.faults import Fault
from streamer.ports.log import EventLog, LogNotAllowed, LogUnavailable, Polled, Topic
from streamer.ports.states import Lease, StateStore
from streamer.service import metrics
from streamer.service.changelog import Changelog
from streamer.service.homes import LostHomes
from streamer.service.models import ModelLibrary
from streamer.service.pending_writes import PendingWrites
from streamer.service.restore import Restore
from streamer.service.state_records import Mark, Snapshot
from streamer.service.stay_cache import StayCache, StaysUnreadable
from streamer.service.takeover import (
    BlockedPartition,
    ModelLost,
    Partition,
    PartitionBlocked,
    Restored,
    Start,
    UntakenPartition,
    block_changed_width,
    block_lost_model,
    plan_start,
)

_log = structlog.get_logger()

_DAMAGED: Final = (
    "It is read again every half minute, in case only the way here was bad. If it stays so, the "
    "broker's log is damaged: let another replica lead, or delete the partition's records up to "
    "the next batch with Kafka's own tools (docs/operations.md)"
)
RETRY_BLOCKED_S: Final = 30.0  # each retry of a blocked partition loads its states
# Between tries to take a partition whose offset is not settled; each costs the others a question.
RETRY_UNTAKEN_S: Final = 0.5
# In one round of the loop; the patients of the partitions at work wait for it.
_TAKING_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Restoring:
    """How lost states come back.

    Attributes:
        restore: copies them from the topic of states, if that has them.
        homes: brings back the home partitions of patients, from the same topic.
        changelog: keeps that topic for the next time.
        rebuild_ms: milliseconds of the log from which all others are rebuilt, by record timestamps.
    """

    restore: Restore
    homes: LostHomes
    changelog: Changelog
    rebuild_ms: int


class Ownership:
    """The partitions of this process: assigned, then owned or blocked, then lost.

    Attributes:
        owned: partitions whose states are in memory, by number.
        blocked: partitions that are assigned to this process and not worked on.
        untaken: partitions that are assigned to this process and yet to be taken.

    Args:
        log: assigns partitions and knows the committed offsets.
        states: the store; taking a partition fences its previous owner.
        library: finds the model that stepped a partition's states.
        cache: holds the stays of owned partitions.
        pending: unsaved writes; those of a lost partition are dropped.
        restoring: how lost states come back.
        fault: see ``Worker``.
    """

    def __init__(
        self,
        log: EventLog,
        states: StateStore,
        library: ModelLibrary,
        cache: StayCache,
        pending: PendingWrites,
        restoring: Restoring,
        fault: Fault,
    ) -> None:
        self._log = log
        self._states = states
        self._library = library
        self._cache = cache
        self._pending = pending
        self._restoring = restoring
        self._fault = fault
        self._described: Topic | None = None
        self.owned: dict[int, Partition] = {}
        self.blocked: dict[int, BlockedPartition] = {}
        self.untaken: dict[int, UntakenPartition] = {}

    @property
    def assigned(self) -> set[int]:
        """All partitions that are assigned to this process."""
        return self.owned.keys() | self.blocked.keys() | self.untaken.keys()

    @property
    def is_due(self) -> bool:
        """Whether a partition is to be taken now."""
        now = time.monotonic()
        return any(untaken.retry_at <= now for untaken in self.untaken.values())

    def follow(self, polled: Polled) -> None:
        """Drops lost partitions and notes gained ones, to be taken."""
        if polled.gained or polled.lost:
            metrics.REBALANCES.inc()
            _log.info("assignment", gained=polled.gained, lost=polled.lost)
        for number in polled.lost:
            self._drop(number)
            self.untaken.pop(number, None)
            self.blocked.pop(number, None)
        now = time.monotonic()
        self.untaken.update((number, UntakenPartition(now, now)) for number in polled.gained)
        # The take-over says what was lost, and blocks the partition alone.
        self.retake(polled.gone & self.owned.keys())
        for number, damage in polled.damaged.items():
            if number in self.owned:
                self._drop(number)
                self._block(number, PartitionBlocked(f"{damage}. {_DAMAGED}"), until_read=True)
        for number in polled.positions.keys() - polled.damaged.keys():
            if number in self.blocked and self.blocked[number].until_read:
                del self.blocked[number]
        self._watch_topic(polled.topic)

    def take(self, in_force: Model) -> None:
        """Takes partitions that were assigned, for a moment; each is then owned or blocked.

        One that cannot be taken yet is tried again every ``RETRY_UNTAKEN_S``, a blocked one every
        ``RETRY_BLOCKED_S``: once its cause is mended, no restart is needed. The others are worked
        on in between.

        Args:
            in_force: the model for partitions that no model has stepped yet.

        Raises:
            LogNotAllowed: the log refuses; call again.
            StoreUnavailable: the store does not answer; call again.
        """
        now = time.monotonic()
        due_at = {number: untaken.retry_at for number, untaken in self.untaken.items()}
        for number, blocked in self.blocked.items():
            if number not in self.owned:
                is_there = blocked.until_published and self._library.is_published
                waits_s = 0.0 if is_there else RETRY_BLOCKED_S
                due_at.setdefault(number, blocked.checked_at + waits_s)
        due = [number for number in sorted(due_at) if due_at[number] <= now]
        # Who has waited longest comes first: some that fail slowly would hold up all the others.
        due.sort(key=due_at.__getitem__)
        described: Topic | None = None
        for number in due:
            if time.monotonic() - now > _TAKING_S:
                return
            try:
                self._log.committed(number)  # not settled while a transaction is open
                described = described or self._log.topic()
                first_width = self._states.first_width(described.topic_id, described.n_partitions)
                block_changed_width(first_width, described.n_partitions)
                self._take(number, described.topic_id, in_force)
            except LogNotAllowed:
                raise
            except LogUnavailable as error:
                self._put_off(number, error)
                continue
            except PartitionBlocked as error:
                self._block(number, error)
            else:
                if number in self.blocked and not self.blocked[number].until_read:
                    del self.blocked[number]
            self.untaken.pop(number, None)

    def forget(self) -> None:
        """Forgets the states of all owned partitions, to be taken again: they may not be ours."""
        self.retake(self.owned.keys())

    def retake(self, numbers: Collection[int]) -> None:
        """Forgets the states of some owned partitions, to be taken again as they were saved."""
        now = time.monotonic()
        for number in sorted(numbers):
            partition = self.owned[number]
            # It is not read on, and its lag counts from where reading will begin again.
            self._log.seek(number, partition.begins_again_at)
            self._log.pause([number])
            self._drop(number)
            self.untaken[number] = UntakenPartition(now, now)

    def needed(self, records: Records) -> Records:
        """Returns the records of owned partitions that are to be taken into their stays.

        The others are of partitions that are yet to be taken, which decides where to start, or
        of patients whose restored stay includes them already.
        """
        records = records.of_partitions(self.owned)
        for number, partition in self.owned.items():
            if (restored := partition.restored) is None:
                continue
            records = records.since(number, restored.firsts, restored.whole_from)
            if partition.is_whole and partition.watermark is not None:
                partition.restored = None
        return records

    def restore_homes(self) -> None:
        """Gives the store the home partitions that it has lost.

        Raises:
            LogUnavailable: the log does not answer.
            StoreUnavailable: the store does not answer.
        """
        for log_id in {partition.log_id for partition in self.owned.values()}:
            self._restoring.homes.restore(log_id)

    def rewind(self) -> None:
        """Moves each partition back to the first record that its states do not include."""
        for number, partition in self.owned.items():
            self._log.seek(number, partition.position)

    def _watch_topic(self, described: Topic | None) -> None:
        """Takes all partitions again when the topic has changed: the take-over checks it."""
        if described is None or described == self._described:
            return
        if self._described is not None:
            _log.warning("the input topic has changed", before=self._described, now=described)
            self.forget()
            for blocked in self.blocked.values():
                blocked.checked_at = -math.inf
        self._described = described

    def _take(self, number: int, log_id: str, in_force: Model) -> None:
        # A take-over that failed half way has left stays, which may be old by now.
        self._cache.clear(number)
        taken, snapshot = self._states.take(number), None
        if taken.watermark is None:
            snapshot = self._snapshot(number, log_id)
        if snapshot is None or snapshot.mark is None:
            try:
                self._hold(number, taken, log_id, in_force, snapshot)
                return
            except StaysUnreadable as error:
                _log.error("stays cannot be read", partition=number, error=str(error))
                snapshot = self._snapshot(number, log_id)
                if snapshot is None or snapshot.mark is None:
                    self._hold(number, taken, log_id, in_force, snapshot, gives_up=True)
                    return
        taken = self._restoring.restore.copy(number, taken, log_id, snapshot)
        self._hold(number, taken, log_id, in_force, snapshot, gives_up=True)

    def _snapshot(self, number: int, log_id: str) -> Snapshot | None:
        return self._restoring.restore.snapshot(number, log_id, self._log.committed(number))

    def _hold(
        self,
        number: int,
        taken: Lease,
        log_id: str,
        in_force: Model,
        snapshot: Snapshot | None,
        *,
        gives_up: bool = False,
    ) -> None:
        """Takes a partition's stays in from the store, or begins without any.

        Args:
            number: the partition.
            taken: the lease on its states.
            log_id: id of the input topic.
            in_force: the model in force.
            snapshot: what the topic of states has; with a mark, the store has a copy of it.
            gives_up: whether stays that cannot be read may begin anew.
        """
        mark = snapshot.mark if snapshot is not None else None
        start = plan_start(
            self._log, number, taken, log_id, self._restoring.rebuild_ms,
            None if mark is None else mark.since,
        )  # fmt: skip
        model, swaps = self._model_of(number, taken, start, in_force, mark)
        self._cache.scorer(model)
        partition = Partition(
            number, taken.epoch, taken.watermark, start.position, start.silent_until, log_id,
            Era(model.model_id, swaps),
        )  # fmt: skip
        if snapshot is not None and mark is not None:
            if mark.since < start.position:
                _log.error("events are gone that restored stays may lack", partition=number)
            partition.restored = Restored(
                mark.since, snapshot.firsts(), snapshot.last, snapshot.log_days()
            )
        is_empty = taken.watermark is None and mark is None
        n_stays = 0
        if not is_empty:
            n_stays = self._cache.hold(partition, model, self._states, gives_up=gives_up)
        if partition.is_whole:
            if taken.watermark is None or swaps != taken.swaps:
                # After a crash in the first batch, start and era must be known, not guessed again.
                self._states.save([partition.state_write({})])
            partition.watermark = start.position
        self.owned[number] = partition
        self._restoring.changelog.begin(partition, self._unknown(partition, snapshot))
        self._fault("after_take")
        self._log.seek(number, start.position)
        self._log.resume([number])
        _log.info(
            "partition taken",
            partition=number,
            stays=n_stays,
            position=start.position,
            replay=start.silent_until - start.position,
            restored=mark is not None,
            model=model.model_id,
        )

    def _model_of(
        self, number: int, taken: Lease, start: Start, in_force: Model, mark: Mark | None
    ) -> tuple[Model, int]:
        """Returns the model that goes on with a partition, and how many there were before.

        Raises:
            PartitionBlocked: only a model that is lost may go on.
        """
        if taken.watermark is None and mark is None:
            self._block_lost_model(number, in_force)
            return in_force, taken.swaps
        if taken.model_id is None:
            return in_force, taken.swaps
        model = self._library.get(taken.model_id)
        if model is not None:
            return model, taken.swaps
        # Old weights are needed to step on to where the messages are, and for nothing else.
        if mark is None and start.position < start.silent_until:
            raise PartitionBlocked(
                f"its states were stepped by model {taken.model_id}, which is not published "
                "any more. Publish it again (`trainer models promote`, docs/operations.md)"
            )
        self._block_lost_model(number, in_force)
        return in_force, taken.swaps + 1

    def _unknown(self, partition: Partition, snapshot: Snapshot | None) -> list[str]:
        """Patients of whom the topic of states may have something else than they are now."""
        if partition.restored is not None:
            return []
        of_topic = snapshot.stays if snapshot is not None else {}
        return list(dict.fromkeys([*self._cache.patients(partition.number), *of_topic]))

    def _block_lost_model(self, number: int, in_force: Model) -> None:
        if not self._library.is_published:
            block_lost_model(self._log, number, in_force)

    def _put_off(self, number: int, error: LogUnavailable) -> None:
        now = time.monotonic()
        if number in self.blocked:
            self.blocked[number].checked_at = now
        else:
            untaken = self.untaken[number]
            untaken.why, untaken.retry_at = str(error), now + RETRY_UNTAKEN_S

    def _block(self, number: int, block: PartitionBlocked, *, until_read: bool = False) -> None:
        self._log.pause([number])
        why, now, before = str(block), time.monotonic(), self.blocked.get(number)
        if before is None or before.reason != why:
            _log.error("partition refused", partition=number, error=why, patient=block.patient)
        self.blocked[number] = BlockedPartition(
            why, before.since if before else now, checked_at=now, until_read=until_read,
            until_published=isinstance(block, ModelLost),
        )  # fmt: skip

    def _drop(self, number: int) -> None:
        self._pending.drop(number)
        if self.owned.pop(number, None) is not None:
            self._cache.clear(number)
