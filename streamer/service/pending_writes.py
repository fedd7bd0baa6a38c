"""States that are to be saved: once their messages are out, nothing else may happen before."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from streamer.ports.log import EventLog
from streamer.ports.states import StateStore, StateWrite, StoreUnavailable
from streamer.service import metrics
from streamer.service.metrics import Stage
from streamer.service.takeover import Partition

CONFIRM_S: Final = 5.0  # how late a worker without events notices that the store was wiped


class PendingWrites:
    """Changes on their way to the store; what an outage leaves here is sent again."""

    def __init__(self, log: EventLog, states: StateStore) -> None:
        self._log = log
        self._states = states
        self._changes: list[StateWrite] = []

    def __bool__(self) -> bool:
        return bool(self._changes)

    @property
    def partitions(self) -> list[int]:
        """The partitions that have something unsaved."""
        return [change.partition for change in self._changes]

    def add(self, changes: Iterable[StateWrite]) -> None:
        """Notes what has to be saved."""
        self._changes += changes

    def drop(self, partition: int) -> None:
        """Forgets what is unsaved of a partition that is not ours any more."""
        self._changes = [change for change in self._changes if change.partition != partition]

    def save(self, owned: Mapping[int, Partition]) -> None:
        """Saves everything, each partition whole or not at all, and moves the watermarks.

        Raises:
            Fenced: some partition is not ours any more.
            StoreUnavailable: call again; until then its partitions are paused.
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
        self._changes = []

    def confirm(self, owned: Mapping[int, Partition]) -> None:
        """Saves nothing, where nothing was saved for a while: is what we left still there?

        Without it a store that was wiped or set back would go unnoticed until the next event, and
        the states would then be rebuilt while a patient waits.

        Raises:
            Fenced: the states were wiped, set back, or taken by someone else.
            StoreUnavailable: call again.
        """
        now = time.monotonic()
        quiet = [p for p in owned.values() if now - p.confirmed > CONFIRM_S]
        if quiet:
            self.add(partition.save({}) for partition in quiet)
            self.save(owned)
