"""The loop that performs effects, in the one order that survives being cut off anywhere.

1. poll the log;
2. ask where new patients live and wake who sleeps, then score the records, purely;
3. one transaction: alerts, risks, rejected events, and the offsets they came from;
4. one fenced write per partition: states and watermark.

Cut off before 3 has committed, nothing happened. Cut off between 3 and 4, the next owner replays
what is between watermark and committed offset into the states, silently. A worker that was paused
while another took over is refused at 3 (generation) or at 4 (epoch), forgets and starts over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.core.codec import Era
from streamer.core.columns import Record, decode
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import EventLog, Interrupted, LogUnavailable
from streamer.ports.states import Fenced, StateStore, StateWrite, StoreUnavailable
from streamer.service import metrics, tally
from streamer.service.batch import Share, Topics, changed_states, process
from streamer.service.health import Health
from streamer.service.lag import Lag
from streamer.service.metrics import Stage, Waiting
from streamer.service.model_swap import ActiveModel, move
from streamer.service.models import ModelLibrary
from streamer.service.ownership import Ownership
from streamer.service.pending_writes import PendingWrites
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import BlockedPartition, Partition

_log = structlog.get_logger()

POLL_S: Final = 0.2  # how late a SIGTERM or a new model is noticed when nothing flows
RETRY_S: Final = 0.5  # between questions to a store or log that does not answer


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What the worker is told by configuration."""

    topics: Topics
    interval_ms: int
    future_limit_ms: int | None
    rebuild_ms: int
    max_stays: int
    forecast: bool = False


class Worker:
    """Owns partitions, and the stays in them, for as long as the log lets it.

    Args:
        log: where events come from and messages go.
        states: where states live.
        library: which model is in force.
        config: names, intervals, limits.
        fault: called with the name of each point between two effects; tests crash there.
        health: told how things are, for whoever asks.

    Attributes:
        health: the same.
    """

    def __init__(
        self,
        log: EventLog,
        states: StateStore,
        library: ModelLibrary,
        config: WorkerConfig,
        fault: Fault | None = None,
        health: Health | None = None,
    ) -> None:
        self._log = log
        self._states = states
        self._config = config
        self._fault = fault or no_fault
        self._active = ActiveModel(library)
        self._cache = StayCache(config.interval_ms, config.max_stays, config.forecast)
        self._pending = PendingWrites(log, states)
        self._ownership = Ownership(
            log, states, library, self._cache, self._pending, config.rebuild_ms, self._fault
        )
        self.health = health or Health()
        self._lag = Lag()
        self._unsettled = True

    @property
    def cache(self) -> StayCache:
        """The stays of the owned partitions, in memory or asleep."""
        return self._cache

    @property
    def blocked(self) -> Mapping[int, BlockedPartition]:
        """The partitions that are not, though they are assigned to this process."""
        return self._ownership.blocked

    @property
    def not_ready(self) -> list[str]:
        """Why the service is not doing its work right now; empty when it is."""
        return [reason.text for reason in self.health.reasons]

    def run(self, stop: threading.Event, exit_when_idle_s: float | None = None) -> None:
        """Works until ``stop`` is set, or nothing was left to do for ``exit_when_idle_s``."""
        idle_since = time.monotonic()
        while not stop.is_set():
            try:
                busy = self.step()
            except (LogUnavailable, StoreUnavailable) as error:
                self.health.note_outage(error)
                stop.wait(RETRY_S)
                continue
            if busy or self.not_ready:
                idle_since = time.monotonic()
            if exit_when_idle_s is not None and time.monotonic() - idle_since > exit_when_idle_s:
                return

    def step(self) -> bool:
        """Does one round; returns whether there was anything to do.

        Raises:
            LogUnavailable: the log does not answer; call again later.
            StoreUnavailable: the store does not answer; call again later. Nothing is lost.
        """
        self.health.beat()
        if self._pending:
            self._save_again()
        ownership = self._ownership
        with metrics.STAGE.labels(Stage.POLL).time():
            polled = self._log.poll(POLL_S)
        ownership.follow(polled)
        # Of a partition that is yet to be taken, what was read may not be what it must go on with.
        records = [record for record in polled.records if record.partition in ownership.owned]
        positions = {p: end for p, end in polled.positions.items() if p in ownership.owned}
        try:
            self._settle()
            ownership.take(self._active.model)
            if records:
                self._batch(records, positions)
            self._follow_model()
            self._pending.confirm(ownership.owned)
        except (LogUnavailable, StoreUnavailable):
            ownership.rewind()  # what this poll brought may not have been taken
            raise
        except Interrupted as error:
            metrics.INTERRUPTED.inc()
            _log.warning("transaction interrupted, taking partitions again", error=str(error))
            ownership.forget()
            self._unsettled = True
        except Fenced as error:
            self._fenced(error)
        in_use = {partition.era.model_id for partition in ownership.owned.values()}
        self._cache.keep(in_use | {self._active.model.model_id})
        self.health.observe(ownership.owned.values(), ownership.blocked)
        self._lag.observe(ownership.owned, polled.left, records)
        tally.cache(self._cache, ownership.owned)
        return bool(records)

    def close(self) -> None:
        """Leaves the group; states and log are as the last finished batch left them."""
        self._log.close()
        self._states.close()

    def _batch(self, records: Sequence[Record], positions: dict[int, int]) -> None:
        owned = self._ownership.owned
        by_model: dict[str, list[Record]] = {}
        for record in records:
            by_model.setdefault(owned[record.partition].era.model_id, []).append(record)
        chunks: dict[str, Share] = {}
        for model_id, mine in by_model.items():
            with metrics.STAGE.labels(Stage.DECODE).time():
                columns = decode(mine, self._config.future_limit_ms)
            with metrics.STAGE.labels(Stage.WAKE).time():
                places = [mine[i].partition for i in columns.record.tolist()]
                home_partitions = self._cache.claim_partition(self._states, owned, columns, places)
                self._cache.load(self._states, owned, columns.patients)
            chunks[model_id] = Share(mine, columns, places, home_partitions)
        results = [
            process(self._cache.scorers[model_id], share, owned, self._config.topics)
            for model_id, share in chunks.items()
        ]
        moved = [owned[p] for p in positions]
        live = {
            p.number: positions[p.number] for p in moved if positions[p.number] > p.silent_until
        }
        self._fault("before_transaction")
        if live:
            outputs = [output for result in results for output in result.outputs]
            with (
                metrics.STAGE.labels(Stage.TRANSACTION).time(),
                self.health.waiting_for(Waiting.LOG, "Kafka to take a transaction"),
            ):
                self._log.transact(outputs, live)
        self._fault("after_transaction")
        for partition in moved:
            partition.position = positions[partition.number]
        changed: list[StateWrite] = []
        with metrics.STAGE.labels(Stage.ENCODE).time():
            for model_id, scorer in self._cache.scorers.items():
                of_model = [p for p in moved if p.era.model_id == model_id]
                changed += changed_states(scorer, of_model)
        self._pending.add(changed)
        tally.batch(results, changed)
        self._pending.save(owned)
        self._cache.evict()
        self._fault("after_save")

    def _settle(self) -> None:
        """Ends what this or an earlier life left open: until then nobody can say where C is."""
        if self._unsettled:
            with self.health.waiting_for(Waiting.LOG, "Kafka to settle a transaction"):
                self._log.recover()
            self._unsettled = False

    def _save_again(self) -> None:
        """Saves what an outage of the store has left, while the membership stays alive."""
        ownership = self._ownership
        ownership.follow(self._log.poll(0))
        waiting = self._pending.partitions
        try:
            self._pending.save(ownership.owned)
        except Fenced as error:
            self._fenced(error)
        self._log.resume([p for p in waiting if p in ownership.owned])
        ownership.rewind()

    def _follow_model(self) -> None:
        self._active.refresh()
        outdated = [
            p
            for p in self._ownership.owned.values()
            if p.era.model_id != self._active.model.model_id and p.caught_up
        ]
        if outdated:
            self._swap(outdated)

    def _swap(self, partitions: Sequence[Partition]) -> None:
        """Moves partitions to the model in force, between two batches, with W equal to C.

        One small write a partition, however many stays it has: stored stays say which era stepped
        them, and those of an earlier one are re-warmed whenever they are loaded.
        """
        model, owned = self._active.model, self._ownership.owned
        target = self._cache.scorer(model)
        for partition in partitions:
            source = self._cache.scorers[partition.era.model_id]
            moved = move(source.table, target.table, partition.number)
            partition.era = Era(model.model_id, partition.era.swaps + 1)
            metrics.REWARMED.inc(moved)
        self._pending.add(changed_states(target, partitions))
        self._pending.save(owned)

    def _fenced(self, error: Fenced) -> None:
        metrics.FENCED.inc()
        _log.warning("fenced, taking partitions again", error=str(error))
        self._ownership.forget()
