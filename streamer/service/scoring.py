"""One try of a batch: stays are loaded and stepped, messages made; nothing is sent.

A try changes stays in place. If the program fails half way, they must be taken again as they were
last saved (`service.poison_records`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.core.columns import Columns, decode
from streamer.core.records import Records
from streamer.core.workload import Workload
from streamer.ports.states import HomesLost, StateStore, StateWrite
from streamer.service import metrics
from streamer.service.batch import ModelBatch, Result, Topics, changed_states, process
from streamer.service.changelog import Changelog
from streamer.service.metrics import Stage
from streamer.service.ownership import Ownership
from streamer.service.poison_records import PoisonRecords
from streamer.service.stay_cache import StayCache

# Some 0.4 s of one core, so that the patients of other partitions wait no longer than that. A full
# batch of a ward takes half of it; what is cut off is read and decoded again.
MOST_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Scored:
    """What a try has made of records, before anybody else knows of it.

    Attributes:
        results: messages and counts, one for each model.
        changed: the writes of states that follow the messages at once.
        positions: the next offset of each partition.
        live: the same, of those whose offsets are to be committed.
    """

    results: Sequence[Result]
    changed: Sequence[StateWrite]
    positions: Mapping[int, int]
    live: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class EventChecks:
    """What is asked of an event beyond its form.

    Attributes:
        future_limit_ms: how far it may be ahead of its record; ``None``: not checked.
        action_key: returns the key that actions are signed with; empty: they need no signature.
    """

    future_limit_ms: int | None
    action_key: Callable[[], str] = str


class BatchScoring:
    """Scores batches of the owned partitions.

    Args:
        states: evicted stays are loaded from it, home partitions are claimed in it.
        cache: the stays.
        ownership: the partitions.
        suspects: knows the records that fail.
        changelog: hears of changed stays.
        topics: names of the topics.
        checks: what is asked of events.
    """

    def __init__(
        self,
        states: StateStore,
        cache: StayCache,
        ownership: Ownership,
        suspects: PoisonRecords,
        changelog: Changelog,
        topics: Topics,
        checks: EventChecks,
    ) -> None:
        self._states = states
        self._cache = cache
        self._ownership = ownership
        self._suspects = suspects
        self._changelog = changelog
        self._topics = topics
        self._checks = checks

    def score(self, records: Records, positions: Mapping[int, int], at_once: Set[int]) -> Scored:
        """Takes records into the stays, as many as one batch may have.

        Args:
            records: of owned partitions, in the order of the log.
            positions: the next offset of each partition that moved, with records or without.
            at_once: the partitions whose changed states are encoded, to be saved with the batch.

        Raises:
            Fenced: stays of another owner were found in the store.
            StoreUnavailable: the store does not answer.
        """
        owned, topics = self._ownership.owned, self._topics
        only = owned[next(iter(positions))]
        aside = self._suspects.set_aside(records, only, topics)
        starts = {number: owned[number].position for number in positions}
        stops: dict[int, int] = {}
        if aside is not None:
            results = [aside]
        else:
            batches = self._decode(records)
            stops = self._stops(batches)
            if stops:
                batches = self._decode(records.before(stops))
            results = []
            for model_id, batch in batches.items():
                scorer = self._cache.scorers[model_id]
                results.append(result := process(scorer, batch, owned, topics))
                self._changelog.note(scorer, batch.columns.distinct, starts, owned, result)
        positions = {number: stops.get(number, end) for number, end in positions.items()}
        moved = [owned[number] for number in positions]
        live = {
            p.number: positions[p.number] for p in moved if positions[p.number] > p.silent_until
        }
        for partition in moved:
            partition.position = positions[partition.number]
        changed: list[StateWrite] = []
        with metrics.STAGE.labels(Stage.ENCODE).time():
            for model_id, scorer in self._cache.scorers.items():
                stepped = [p for p in moved if p.era.model_id == model_id and p.number in at_once]
                changed += changed_states(scorer, stepped)
        return Scored(results, changed, positions, live)

    def _stops(self, batches: Mapping[str, ModelBatch]) -> dict[int, int]:
        """Where each partition's part of a batch is to end, an offset, if it is too much work."""
        n_partitions = len({number for batch in batches.values() for number in batch.partitions})
        most_rows = MOST_ROWS // max(1, n_partitions)
        stops = {}
        for model_id, (records, columns, partitions, _) in batches.items():
            workload = Workload(self._cache.scorers[model_id].table, columns)
            if workload.rows_of(np.arange(len(partitions))) <= most_rows:  # so is each part of it
                continue
            of_event = np.array(partitions, np.int32)
            for number in set(partitions):
                events = np.flatnonzero(of_event == number)
                n = workload.first_within(events, most_rows)
                if n < len(events):
                    stops[number] = records.offset.item(int(columns.record[events[n]]))
        return stops

    def _home_partitions(self, columns: Columns, partitions: Sequence[int]) -> dict[str, int]:
        owned = self._ownership.owned
        try:
            return self._cache.claim_partition(self._states, owned, columns, partitions)
        except HomesLost:
            self._ownership.restore_homes()
            return self._cache.claim_partition(self._states, owned, columns, partitions)

    def _decode(self, records: Records) -> dict[str, ModelBatch]:
        """Splits records by the model of their partition, and loads the stays of their patients."""
        owned = self._ownership.owned
        by_model: dict[str, list[int]] = {}
        for number in np.unique(records.partition).tolist():
            by_model.setdefault(owned[number].era.model_id, []).append(number)
        batches: dict[str, ModelBatch] = {}
        for model_id, numbers in by_model.items():
            own_records = records.of_partitions(numbers)
            with metrics.STAGE.labels(Stage.DECODE).time():
                columns = decode(
                    own_records,
                    self._checks.future_limit_ms,
                    action_key=self._checks.action_key().encode(),
                    variables=self._cache.scorers[model_id].model.variables,
                )
            with metrics.STAGE.labels(Stage.WAKE).time():
                partitions = own_records.partition[columns.record].tolist()
                homes = self._home_partitions(columns, partitions)
                self._cache.load(self._states, owned, columns.distinct)
            batches[model_id] = ModelBatch(own_records, columns, partitions, homes)
        return batches
