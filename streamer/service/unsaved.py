"""Unsaved states: those that are ahead of the store, and when they are saved.

A save writes each changed stay whole, so a stay that an event a second changes is written once for
many batches. Meanwhile the position runs ahead of the watermark W: after a crash the next owner
reads from W, and the events up to C change states only. States are saved

- some ``save_s`` seconds after the first change, and whenever nothing is left to be read;
- before stays are evicted, before another model takes over, and before a planned end;
- when a partition is given up, as far as nobody has taken it yet;
- with each batch where records are tried that may fail (`service.poison_records`).

A save that fails stops all work, as `service.pending_writes` has it: so no more than these seconds
are ever unsaved, whatever becomes of the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

import structlog

from streamer.ports.faults import Fault
from streamer.ports.states import Fenced, StateStore, StateWrite, StoreUnavailable
from streamer.service import metrics
from streamer.service.batch import changed_states
from streamer.service.metrics import Stage
from streamer.service.ownership import Ownership
from streamer.service.pending_writes import PendingWrites
from streamer.service.poison_records import PoisonRecords
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import Partition

_log = structlog.get_logger()

# Some 12 ms of one core to encode, and 2 MB: the patients of all partitions wait for it. One that
# has more stays takes longer, since a partition is saved whole.
_MOST_STAYS: Final = 250


class UnsavedStates:
    """States of the owned partitions that the store does not have yet.

    Args:
        states: the store.
        cache: the stays.
        ownership: the partitions.
        pending: what is on its way to the store.
        suspects: knows the records that fail.
        save_s: seconds after which a change is saved; 0 for with its batch.
        fault: see ``Worker``.

    Attributes:
        clock: seconds that only rise; tests wind it.
    """

    def __init__(
        self,
        states: StateStore,
        cache: StayCache,
        ownership: Ownership,
        pending: PendingWrites,
        suspects: PoisonRecords,
        save_s: float,
        fault: Fault,
    ) -> None:
        self._states = states
        self._cache = cache
        self._ownership = ownership
        self._pending = pending
        self._suspects = suspects
        self._save_s = save_s
        self._fault = fault
        self.clock: Callable[[], float] = time.monotonic

    def at_once(self, numbers: Iterable[int]) -> set[int]:
        """Returns those partitions whose states are saved with the batch at hand."""
        return set(numbers) if self._save_s == 0 else set(numbers) & self._suspects.partitions

    def note(self, numbers: Iterable[int]) -> None:
        """Notes that the states of these partitions have moved on."""
        now = self.clock()
        for number in numbers:
            partition = self._ownership.owned[number]
            if partition.unsaved_since is None:
                partition.unsaved_since = now

    def save_due(self) -> None:
        """Saves what has waited long enough, the oldest first, and of that a part in each round.

        A partition that a stay has left is due at once: the patient's home partition ends with the
        save, and events on another one are rejected until then.

        Raises:
            Fenced: some partition is not ours any more.
            StoreUnavailable: see ``PendingWrites.save``.
        """
        due_since, n_stays = self.clock() - self._save_s, 0
        due: list[int] = []
        for since, partition in self._waiting():
            if self._has_gone(partition.number):
                due.append(partition.number)
            elif since <= due_since and n_stays < _MOST_STAYS:
                due.append(partition.number)
                n_stays += self._n_touched(partition)
        self._save(due)

    def save(self, numbers: Collection[int] | None = None) -> None:
        """Saves all unsaved states, or those of some partitions.

        Where they cannot be encoded, some record is to blame whose messages are out: it is sought
        as those are that fail at once, and the partition is taken again.

        Raises:
            Fenced: some partition is not ours any more.
            StoreUnavailable: see ``PendingWrites.save``.
        """
        waiting = [partition.number for _, partition in self._waiting()]
        self._save([number for number in waiting if numbers is None or number in numbers])

    def give_up(self, numbers: Iterable[int]) -> None:
        """Saves partitions that this process is about to drop, if it may and can.

        Whoever has taken one since has another epoch, and the store refuses. Then, and in an
        outage, the next owner replays what was not saved.
        """
        unsaved = {partition.number for _, partition in self._waiting()} & set(numbers)
        owned = self._ownership.owned
        try:
            writes = [self._encode(owned[number]) for number in sorted(unsaved)]
            if writes:
                self._states.save(writes)
        except Exception as error:
            reason = str(error) if isinstance(error, Fenced | StoreUnavailable) else type(error)
            _log.info("given up unsaved", partitions=sorted(unsaved), reason=str(reason))

    def finish(self) -> None:
        """Saves everything before a planned end, if the store answers."""
        try:
            if self._pending:
                self._pending.save(self._ownership.owned)
            self.save()
        except (Fenced, StoreUnavailable) as error:
            _log.warning("ended unsaved, the next owner replays", reason=str(error))

    def _save(self, numbers: Collection[int]) -> None:
        writes: list[StateWrite] = []
        for number in numbers:
            partition = self._ownership.owned[number]
            try:
                writes.append(self._encode(partition))
            except Exception as error:
                self._suspects.doubt(partition, error)
                self._ownership.retake([number])
        if writes:
            self._pending.add(writes)
            self._pending.save(self._ownership.owned)
            self._fault("after_save")

    def _encode(self, partition: Partition) -> StateWrite:
        with metrics.STAGE.labels(Stage.ENCODE).time():
            (write,) = changed_states(self._cache.scorers[partition.era.model_id], [partition])
        return write

    def _waiting(self) -> list[tuple[float, Partition]]:
        """Partitions with unsaved states and since when, those first that have waited longest."""
        waiting = [
            (partition.unsaved_since, partition)
            for _, partition in sorted(self._ownership.owned.items())
            if partition.unsaved_since is not None
        ]
        return sorted(waiting, key=lambda entry: entry[0])

    def _has_gone(self, number: int) -> bool:
        return any(scorer.table.gone.get(number) for scorer in self._cache.scorers.values())

    def _n_touched(self, partition: Partition) -> int:
        table = self._cache.scorers[partition.era.model_id].table
        return int(table.touched[table.partitions == partition.number].sum())
