"""Cache of the stays of owned partitions: a table, and a scorer on it, for each model in use.

The number of stays in memory is bounded. The least recently used are evicted once they are saved:
they are in the store then, and an event loads its patient's stay again before it is scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import structlog

from streamer.core.codec import CorruptState, Era, decode, outlines
from streamer.core.columns import Columns
from streamer.core.evicted import EvictedStays
from streamer.core.model import Model
from streamer.core.responses import DEFAULT_POLICY, ResponsePolicy
from streamer.core.scoring import Scorer
from streamer.core.state_stepping import rewarm
from streamer.core.stays import StayTable
from streamer.ports.states import Fenced, StateStore
from streamer.service import metrics
from streamer.service.takeover import Partition, PartitionBlocked

_log = structlog.get_logger()

_MOST_DAMAGED: Final = 10  # stays of a partition; more is no accident of a few bytes


class StaysUnreadable(PartitionBlocked):
    """Stored stays that cannot be read."""


class StayCache:
    """Stays of the owned partitions, by the model that steps them.

    Attributes:
        scorers: by model id; two while a new model takes over.
        evicted: stays of the owned partitions that are not in memory.

    Args:
        interval_ms: evaluation interval of each scorer, in event time.
        max_stays: most stays in memory between two batches; 0 for no bound.
        forecast: whether the risks of each scorer come with a forecast.
        max_patients_a_day: see ``core.day_limit``; 0 for no bound.
        policy: how long people have to respond to an alert.
        written_format: the form in which stays are stored; ``None``: the newest.
    """

    def __init__(
        self,
        interval_ms: int,
        max_stays: int,
        forecast: bool = False,
        max_patients_a_day: int = 0,
        policy: ResponsePolicy = DEFAULT_POLICY,
        written_format: int | None = None,
    ) -> None:
        self._written_format = written_format
        self._interval_ms = interval_ms
        self._forecast = forecast
        self._max_patients_a_day = max_patients_a_day
        self._policy = policy
        self._max_stays = max_stays
        self._recent: dict[str, None] = {}  # patients in memory, the most recently used last
        self.scorers: dict[str, Scorer] = {}
        self.evicted = EvictedStays()

    def __len__(self) -> int:
        return sum(len(scorer.table) for scorer in self.scorers.values())

    def scorer(self, model: Model) -> Scorer:
        """Returns the scorer of a model; the first call makes it."""
        if model.model_id not in self.scorers:
            if self._forecast and model.forecaster is None:
                _log.warning("no forecast: the model has no head for it", model=model.model_id)
            table = StayTable(
                model.architecture,
                evicted=self.evicted,
                most_a_day=self._max_patients_a_day,
                written_format=self._written_format,
                variables=model.variables,
            )
            scorer = Scorer(model, table, self._interval_ms, self._forecast, self._policy)
            self.scorers[model.model_id] = scorer
        return self.scorers[model.model_id]

    def hold(
        self, partition: Partition, model: Model, store: StateStore, *, gives_up: bool = True
    ) -> int:
        """Takes in the stored stays of a partition; those beyond the bound are evicted at once.

        Args:
            partition: the partition that was taken.
            model: the model that steps it.
            store: holds its stays; a patient may come twice in its pages.
            gives_up: whether a stay whose bytes are damaged costs itself: its patient begins a new
                one, and the next save removes the bytes.

        Returns:
            The number of stays.

        Raises:
            StaysUnreadable: stays cannot be read, and it may not give them up, or they are many.
            PartitionBlocked: a patient has a stay on another partition.
            StoreUnavailable: the store does not answer. Nothing is held after an error.
        """
        before, number = len(self) + len(self.evicted), partition.number
        damaged: dict[str, CorruptState] = {}
        try:
            for page in store.pages(number):
                elsewhere = store.claim_partition(
                    partition.log_id, number, partition.epoch, sorted(page)
                )
                if elsewhere:
                    patient, home = min(elsewhere.items())
                    raise PartitionBlocked(
                        f"a patient of its states lives on partition {home}: producers disagree "
                        "on the partition of a key. Feed a new topic with one rule "
                        "(docs/operations.md)",
                        patient,
                    )
                damaged |= self._hold_page(number, self.scorer(model), partition.era, page)
            n_stays = len(self) + len(self.evicted) - before
            if damaged:
                self._set_aside(number, self.scorer(model), damaged, gives_up=gives_up)
        except BaseException:
            self.clear(number)
            raise
        return n_stays

    def patients(self, partition: int) -> list[str]:
        """Returns the patients of a partition who have a stay, in memory or evicted."""
        names = self.evicted.names(partition, self.evicted.days_in(partition))
        for scorer in self.scorers.values():
            names += scorer.table.names(scorer.table.slots_in(partition))
        return names

    def claim_partition(
        self,
        store: StateStore,
        owned: Mapping[int, Partition],
        columns: Columns,
        partitions: Sequence[int],
    ) -> dict[str, int]:
        """Claims the home partition of new patients, one for the whole group.

        Args:
            store: knows the homes; a patient without one gets the partition of the first event.
            owned: the partitions of this process.
            columns: the events.
            partitions: the input partition of each event.

        Returns:
            The home of each patient whose events came on another partition.

        Raises:
            HomesLost: restore them first (``service.homes``), then ask again.
            StoreUnavailable: the store does not answer.
        """
        # -1: none; a home in memory may be in another model's table
        homes = [self._partition_of(patient) for patient in columns.distinct]
        home = np.array([-1 if home is None else home for home in homes], np.int64)[columns.whose]
        came_elsewhere = np.flatnonzero((home >= 0) & (home != partitions)).tolist()
        home_partitions = {columns.patients[event]: int(home[event]) for event in came_elsewhere}
        newcomers: dict[int, dict[str, None]] = {}
        for event in np.flatnonzero((home < 0) & ~columns.needs_stay).tolist():
            newcomers.setdefault(partitions[event], {})[columns.patients[event]] = None
        for number, patients in newcomers.items():
            log_id, epoch = owned[number].log_id, owned[number].epoch
            home_partitions |= store.claim_partition(
                log_id, number, epoch, list(patients), are_new=True
            )
        return home_partitions

    def load(
        self,
        store: StateStore,
        owned: Mapping[int, Partition],
        patients: Sequence[str],
    ) -> None:
        """Loads the evicted stays of patients who have events, before any event is scored.

        Args:
            store: holds the stays.
            owned: the partitions of this process.
            patients: those who have events, each once, on whichever partition they came.

        Raises:
            Fenced: the states are not those that this owner left. When the partition is taken
                again, a damaged stay blocks it; a patient whose stay is gone begins a new one.
            StoreUnavailable: the store does not answer.
        """
        if not self._max_stays:
            return
        for patient in patients:
            self._recent.pop(patient, None)
            self._recent[patient] = None
        wanted: dict[int, set[str]] = {}
        for patient in patients if len(self.evicted) else ():
            number = self.evicted.partition_of(patient)
            if number is not None:
                wanted.setdefault(number, set()).add(patient)
        for number, names in wanted.items():
            partition = owned[number]
            stored = store.fetch(number, partition.epoch, partition.watermark, sorted(names))
            if stored.keys() != names:
                raise Fenced(f"partition {number}: stays are missing from the state store")
            try:
                self._decode(number, self.scorers[partition.era.model_id], partition.era, stored)
            except CorruptState as error:
                # The take-over checks evicted stays as well, so it blocks the partition.
                raise Fenced(f"partition {number}: {error}") from error

    def evict(self) -> bool:
        """Removes the least recently used stays from memory, as far as they are saved.

        Those with an alert on stay: should they expire, the alert must end first.

        Returns:
            Whether more are to be removed once they are saved.
        """
        excess = len(self) - self._max_stays if self._max_stays else 0
        is_unsaved = False
        if len(self._recent) > 2 * self._max_stays:  # of rejected, removed or lost patients, too
            tables = [scorer.table.slot_of for scorer in self.scorers.values()]
            self._recent = {p: None for p in self._recent if any(p in table for table in tables)}
        for patient in list(self._recent):
            if excess <= 0:
                return False
            for scorer in self.scorers.values():
                table = scorer.table
                slot = table.slot_of.get(patient)
                if slot is None or table["alert_severity"][slot]:
                    continue
                if table.touched[slot]:
                    is_unsaved = True
                else:
                    del self._recent[patient]
                    last_seen_day = int(table["last_seen_day"][slot])
                    self.evicted.add(patient, int(table.partitions[slot]), last_seen_day)
                    table.remove(patient)
                    excess -= 1
        return is_unsaved and excess > 0

    def clear(self, partition: int) -> None:
        """Forgets the stays of a partition."""
        for scorer in self.scorers.values():
            for patient in scorer.table.names(scorer.table.slots_in(partition)):
                scorer.table.remove(patient)
            scorer.table.gone.pop(partition, None)
        self.evicted.clear(partition)

    def keep(self, model_ids: set[str]) -> None:
        """Drops the tables of all other models."""
        self.scorers = {m: scorer for m, scorer in self.scorers.items() if m in model_ids}

    def _hold_page(
        self, number: int, scorer: Scorer, era: Era, page: Mapping[str, bytes]
    ) -> dict[str, CorruptState]:
        """Takes in a page; returns what is wrong with the stays that cannot be read, by patient."""
        new = {p: page[p] for p in sorted(page) if self._partition_of(p) is None}
        try:
            self._hold_all(number, scorer, era, new)
        except CorruptState:
            pass
        else:
            return {}
        for patient in new.keys() & scorer.table.slot_of.keys():  # those before the damaged one
            scorer.table.remove(patient)
        damaged: dict[str, CorruptState] = {}
        for patient in list(new):
            try:
                outlines(scorer.table, {patient: new[patient]}, era)  # reads all of it
            except CorruptState as error:
                damaged[patient] = error
                del new[patient]
        self._hold_all(number, scorer, era, new)
        return damaged

    def _hold_all(self, number: int, scorer: Scorer, era: Era, new: Mapping[str, bytes]) -> None:
        names = list(new)
        room = self._max_stays - len(self) if self._max_stays else len(names)
        others = {p: new[p] for p in names[max(0, room) :]}
        read = outlines(scorer.table, others, era)
        alerted = [patient for patient, outline in read.items() if outline.has_alert]
        self._decode(number, scorer, era, {p: new[p] for p in [*names[: max(0, room)], *alerted]})
        for patient, outline in read.items():
            if not outline.has_alert:
                self.evicted.add(patient, number, outline.last_seen_day)

    def _set_aside(
        self, number: int, scorer: Scorer, damaged: Mapping[str, CorruptState], *, gives_up: bool
    ) -> None:
        """Gives damaged stays up, unless something else is the matter: many, or another format.

        Raises:
            StaysUnreadable: that is so, or they may not be given up.
        """
        of_version = [error for error in damaged.values() if not error.is_damage]
        if not gives_up or len(damaged) > _MOST_DAMAGED or of_version:
            patient, error = next(iter(damaged.items()))
            raise StaysUnreadable(
                f"{error} ({len(damaged)} stays), and the topic of states has no copy to restore. "
                "Run the version that wrote them, or restore a backup of Redis "
                "(docs/operations.md)",
                patient,
            )
        for patient, error in damaged.items():
            metrics.STAYS_DAMAGED.inc()
            _log.error("stay damaged", partition=number, patient=patient, error=str(error))
            scorer.table.gone.setdefault(number, set()).add(patient)

    def _decode(self, number: int, scorer: Scorer, era: Era, stored: Mapping[str, bytes]) -> None:
        table = scorer.table
        foreign = decode(table, number, stored, era)
        rewarm(table, np.array([table.slot_of[patient] for patient in foreign], np.intp))
        for patient in stored:
            self.evicted.remove(patient)
        if self._max_stays:
            self._recent.update(dict.fromkeys(stored))

    def _partition_of(self, patient: str) -> int | None:
        for scorer in self.scorers.values():
            slot = scorer.table.slot_of.get(patient)
            if slot is not None:
                return int(scorer.table.partitions[slot])
        return self.evicted.partition_of(patient)
