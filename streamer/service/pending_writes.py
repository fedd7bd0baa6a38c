"""Pending writes of states: once their messages are out, nothing else may happen before them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from streamer.ports.log import EventLog
from streamer.ports.states import StateStore, StateWrite, StoreUnavailable
from streamer.service import metrics
from streamer.service.metrics import Stage
from streamer.service.takeover import Partition

CONFIRM_S: Final = 5.0  # longest delay at which a worker notices that the store was wiped


class PendingWrites:
    """Writes on their way to the store; those that an outage leaves here are sent again."""

    def __init__(self, log: EventLog, states: StateStore) -> None:
        self._log = log
        self._states = states
        self._changes: list[StateWrite] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    @property
    def partitions(self) -> list[int]:
        """The partitions that have a pending write."""
        return [change.partition for change in self._changes]

    def add(self, changes: Iterable[StateWrite]) -> None:
        """Adds writes, to be sent by the next ``save``."""
        self._changes += changes

    def drop(self, partition: int) -> None:
        """Forgets the writes of a partition that is not ours any more."""
        self._changes = [change for change in self._changes if change.partition != partition]

    def save(self, owned: Mapping[int, Partition]) -> None:
        """Saves all of them, each partition whole or not at all, and moves the watermarks.

        Args:
            owned: the partitions of this process, by number.

        Raises:
            Fenced: some partition is not ours any more.
            StoreUnavailable: call again; until then the partitions of these writes are paused.
        """
        with metrics.STAGE.labels(Stage.SAVE).time():
            try:
                self._states.save(self._changes)
            except StoreUnavailable:
                # The messages are out, so these states must follow before anything else happens.
                self._log.pause(self.partitions)
                raise
        now = time.monotonic()
        for change in self._changes:
            owned[change.partition].watermark = change.watermark
            owned[change.partition].confirmed = now
            if change.watermark in (None, owned[change.partition].position):
                owned[change.partition].unsaved_since = None
        metrics.STAYS_REMOVED.inc(sum(len(change.removed) for change in self._changes))
        self._changes = []

    def confirm(self, owned: Mapping[int, Partition]) -> None:
        """Checks that the store still has the states as they were saved, by an empty write.

        Without it, a store that was wiped or restored from a backup would go unnoticed until the
        next save, and the states would then be rebuilt while a patient waits.

        Raises:
            Fenced: the states were wiped, restored from a backup, or taken by another process.
            StoreUnavailable: call again.
        """
        now = time.monotonic()
        unheard = [
            p for p in owned.values() if p.watermark is not None and now - p.confirmed > CONFIRM_S
        ]
        if unheard:
            self.add(partition.confirmation() for partition in unheard)
            self.save(owned)
