"""Loop of the service: effects in the one order that survives a crash at any point.

1. poll the log;
2. claim home partitions and load evicted stays, then score the records, purely;
3. one transaction: alerts, risks, rejected events, and the offsets they came from;
4. after some batches, one fenced write per partition: states and watermark (`service.unsaved`).

After a crash before 3 has committed, nothing happened. After one between 3 and 4, the next owner
replays the records between watermark and committed offset into the states, silently. A worker that
was paused while another took over is refused at 3 (generation) or at 4 (epoch): it forgets its
states and takes its partitions again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import structlog

from streamer.core.codec import Era
from streamer.core.records import Records
from streamer.ports.faults import Fault, no_fault
from streamer.ports.log import EventLog, Interrupted, LogNotAllowed, LogUnavailable, Output
from streamer.ports.state_topic import StateTopic
from streamer.ports.states import Fenced, StateStore, StoreUnavailable
from streamer.service import metrics, tally
from streamer.service.batch import changed_states
from streamer.service.changelog import Changelog
from streamer.service.failed_transactions import FailedTransactions
from streamer.service.health import Health
from streamer.service.homes import LostHomes
from streamer.service.lag import Lag
from streamer.service.metrics import Stage, Waiting
from streamer.service.model_swap import ActiveModel, move
from streamer.service.models import ModelLibrary
from streamer.service.ownership import Ownership, Restoring
from streamer.service.pending_writes import PendingWrites
from streamer.service.poison_records import PoisonRecords
from streamer.service.restore import Restore
from streamer.service.scoring import BatchScoring, EventChecks
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import BlockedPartition, Partition
from streamer.service.unsaved import UnsavedStates
from streamer.service.worker_config import WorkerConfig

_log = structlog.get_logger()

POLL_S: Final = 0.2  # longest delay of a SIGTERM or a new model while no event comes
RETRY_S: Final = 0.5  # between attempts while the store or the log does not answer


class Worker:
    """Steps the stays of the partitions that the log assigns to this process.

    Args:
        log: events come from it and messages go to it.
        states: the store of the states.
        library: the models; says which one is in force.
        config: names, intervals, limits.
        fault: called with the name of each point between two effects; tests crash there.
        health: notes what the loop sees, for the HTTP port.
        state_topic: lost states are restored from it.

    Attributes:
        health: the same, or a new one where none was given.
        unsaved: the states that the store does not have yet.
        changelog: what the topic of states is to know.
    """

    def __init__(
        self,
        log: EventLog,
        states: StateStore,
        library: ModelLibrary,
        config: WorkerConfig,
        fault: Fault | None = None,
        health: Health | None = None,
        state_topic: StateTopic | None = None,
    ) -> None:
        self._log = log
        self._states = states
        self._fault = fault or no_fault
        self._library = library
        self._active = ActiveModel(library)
        self._cache = StayCache(
            config.interval_ms,
            config.max_stays,
            config.forecast,
            config.max_patients_a_day,
            config.responses,
            config.written_format,
        )
        self._pending = PendingWrites(log, states)
        self.changelog = Changelog(config.topics.states, config.states_s, states, self._cache)
        restoring = Restoring(
            Restore(state_topic, states),
            LostHomes(state_topic, states),
            self.changelog,
            config.rebuild_ms,
        )
        self._ownership = Ownership(
            log, states, library, self._cache, self._pending, restoring, self._fault
        )
        self.health = health or Health()
        self._lag = Lag()
        self._needs_recovery = True
        self._suspects = PoisonRecords()
        self.unsaved = UnsavedStates(
            states, self._cache, self._ownership, self._pending, self._suspects, config.save_s,
            self._fault,
        )  # fmt: skip
        self._scoring = BatchScoring(
            states, self._cache, self._ownership, self._suspects, self.changelog, config.topics,
            EventChecks(config.future_limit_ms, config.action_key),
        )  # fmt: skip
        self._failed = FailedTransactions()
        self._left_out: frozenset[str] = frozenset()

    @property
    def cache(self) -> StayCache:
        """The stays of the owned partitions, in memory or evicted."""
        return self._cache

    @property
    def blocked(self) -> Mapping[int, BlockedPartition]:
        """Partitions that are assigned to this process and not worked on, by number."""
        return self._ownership.blocked

    @property
    def not_ready(self) -> list[str]:
        """Why the service is not doing its work right now; empty when it is."""
        return [reason.text for reason in self.health.reasons]

    def run(self, stop: threading.Event, exit_when_idle_s: float | None = None) -> None:
        """Works until ``stop`` is set, or has been idle for ``exit_when_idle_s`` seconds.

        Idle is who has read all: the first poll after an outage may bring nothing of a backlog.
        All states are saved then, if the store answers. An error ends it as a crash does.
        """
        idle_since = time.monotonic()
        while not stop.is_set():
            try:
                busy = self.step()
            except (LogUnavailable, StoreUnavailable) as error:
                self.health.note_outage(error)
                stop.wait(RETRY_S)
                idle_since = time.monotonic()
                continue
            if busy or self.not_ready:
                idle_since = time.monotonic()
            elif (
                exit_when_idle_s is not None
                and time.monotonic() - idle_since > exit_when_idle_s
                and self._lag.is_read_since(idle_since)
            ):
                break
        self.unsaved.finish()

    def step(self) -> bool:
        """Does one round; returns whether it had records, or partitions to take.

        Raises:
            LogUnavailable: the log does not answer, or refuses. Nothing is lost: call again later.
            StoreUnavailable: the store does not answer. Nothing is lost: call again later.
            NameTaken: another process works under this one's name, again and again.
        """
        self.health.beat()
        if self._pending:
            self._save_again()
        ownership = self._ownership
        # 1. poll the log
        with (
            metrics.STAGE.labels(Stage.POLL).time(),
            self.health.waiting_for(Waiting.LOG, "Kafka to answer a poll"),
        ):
            polled = self._log.poll(0 if ownership.is_due and not self._failed.rests else POLL_S)
        self._note_left_out(polled.left_out)
        self.unsaved.give_up({*polled.lost, *polled.gone, *polled.damaged})
        ownership.follow(polled)
        records = ownership.needed(polled.records)
        positions = {
            number: position
            for number, position in polled.positions.items()
            if number in ownership.owned
        }
        try:
            if positions:
                self._batch(records, positions)
                self.unsaved.save_due()
            else:
                self.unsaved.save()
                self._send_states()
            self._take()
            self._follow_model()
            self._pending.confirm(ownership.owned)
        except (LogUnavailable, StoreUnavailable):
            ownership.rewind()  # records of this poll may not have been processed
            raise
        except Interrupted as error:
            self._interrupted(error)
        except Fenced as error:
            self._fenced(error)
        in_use = {partition.era.model_id for partition in ownership.owned.values()}
        self._cache.keep(in_use | {self._active.model.model_id})
        self.health.observe(
            ownership.owned.values(),
            ownership.blocked,
            ownership.untaken,
            failure=self._failed.reason,
            is_spare=polled.is_spare,
        )
        self._lag.observe(ownership.assigned, polled.left, records)
        tally.cache(self._cache, ownership.owned)
        return bool(positions or ownership.untaken)

    def close(self) -> None:
        """Leaves the group. The next owner replays what is not saved."""
        self._log.close()
        self._states.close()

    def _batch(self, records: Records, positions: Mapping[int, int]) -> None:
        """Performs steps 2 to 4 of the module's list on records of owned partitions.

        Args:
            records: of owned partitions.
            positions: the next offset of each partition that moved, with records or without.
        """
        doubtful = set(self._suspects.partitions)
        is_first = True
        for part, stops in self._suspects.cut(records):
            numbers = set(np.unique(part.partition).tolist())
            if is_first:
                numbers |= positions.keys() - doubtful
                is_first = False
            if numbers:
                self._attempt(part, {n: stops.get(n, positions[n]) for n in sorted(numbers)})
            for number in stops:  # the rest comes again, in the next batch
                self._rewind(number)

    def _attempt(self, records: Records, positions: Mapping[int, int]) -> None:
        """Does the work of some records, or nothing of it if the program fails on one of them."""
        try:
            # 2. load the stays that are needed, then score
            at_once = self.unsaved.at_once(positions)
            scored = self._scoring.score(records, positions, at_once)
        except (LogUnavailable, StoreUnavailable, Fenced):
            raise
        except Exception as error:
            if not records or (isinstance(error, MemoryError) and len(records) == 1):
                raise
            # Stays were changed in place: they are taken again as they were last saved.
            self._ownership.retake(self._suspects.blame(records, error))
            return
        # 3. one transaction
        self._fault("before_transaction")
        outputs = [output for result in scored.results for output in result.outputs]
        states = self.changelog.collect(self._ownership.owned, scored.live)
        self._transact([*outputs, *states], scored.live)
        self._fault("after_transaction")
        self.unsaved.note(scored.positions)
        tally.batch(scored.results)
        # 4. one fenced write per partition, at once for those whose states are encoded already
        if scored.changed:
            self._pending.add(scored.changed)
            self._pending.save(self._ownership.owned)
            self._fault("after_save")
        if self._cache.evict():
            self.unsaved.save()
            self._cache.evict()
        self._suspects.pass_by(scored.positions)
        for number, position in scored.positions.items():
            if position < positions[number]:
                self._rewind(number)

    def _send_states(self) -> None:
        """Sends the stays whose turn has come while nothing is read; C stays where it is."""
        offsets = {} if self._failed.rests else self.changelog.idle(self._ownership.owned)
        if offsets:
            self._transact(self.changelog.collect(self._ownership.owned, offsets), offsets)

    def _transact(self, outputs: Sequence[Output], offsets: Mapping[int, int]) -> None:
        """Writes all outputs and commits ``offsets``; without any, all was replayed silently."""
        if not offsets:
            return
        with (
            metrics.STAGE.labels(Stage.TRANSACTION).time(),
            self.health.waiting_for(Waiting.LOG, "Kafka to take a transaction"),
        ):
            # Whoever finds neither states nor models after a loss knows which published model has
            # spoken. The shipped one is at hand, and an upgrade may ship another.
            eras = {number: self._ownership.owned[number].era.model_id for number in offsets}
            notes = {n: model for n, model in eras.items() if model != self._library.shipped_id}
            self._log.transact(outputs, offsets, notes)
        self._failed.clear()

    def _take(self) -> None:
        """Takes the partitions that wait for it, unless transactions have failed just now."""
        if self._failed.rests:
            if self._failed.is_not_allowed:
                raise LogNotAllowed(self._failed.why)
            return
        if self._needs_recovery:
            # Ends a transaction that this process or an earlier one left open: until then the
            # committed offsets are unknown.
            with self.health.waiting_for(Waiting.LOG, "Kafka to settle a transaction"):
                self._log.recover()
            self._needs_recovery = False
        self._ownership.take(self._active.model)

    def _rewind(self, number: int) -> None:
        """Reads a partition again from the first record that its states do not include."""
        partition = self._ownership.owned.get(number)
        if partition is not None:
            self._log.seek(number, partition.position)

    def _save_again(self) -> None:
        """Saves the writes that an outage of the store left, and keeps the group membership."""
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
        """Moves partitions that are caught up to the model in force."""
        self._active.refresh()
        outdated = self._outdated()
        if outdated:
            # What the model before has stepped is saved as its own: it replays nothing of it.
            self.unsaved.save({partition.number for partition in outdated})
            self._complete_states(self._outdated())
            self._swap(self._outdated())

    def _complete_states(self, partitions: Sequence[Partition]) -> None:
        """Sends what the topic of states lacks, so that no restore replays across a swap."""
        outputs = [
            output
            for p in partitions
            for output in self.changelog.complete(
                p, Era(self._active.model.model_id, p.era.swaps + 1)
            )
        ]
        if outputs:
            self._transact(outputs, {p.number: p.position for p in partitions})

    def _outdated(self) -> list[Partition]:
        return [
            p
            for p in self._ownership.owned.values()
            if p.era.model_id != self._active.model.model_id and p.caught_up
        ]

    def _swap(self, partitions: Sequence[Partition]) -> None:
        """Moves saved partitions to the model in force, between two batches, with W equal to C.

        This is one small write for each partition, however many stays it has: a stored stay carries
        the era that stepped it, and one of an earlier era is re-warmed when it is loaded.
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

    def _note_left_out(self, topics: frozenset[str]) -> None:
        if topics != self._left_out:
            metrics.TOPICS_LEFT_OUT.set(len(topics))
            _log.warning("topics left out: not writable, or missing", topics=sorted(topics))
            self._left_out = topics

    def _interrupted(self, error: Interrupted) -> None:
        metrics.INTERRUPTED.inc()
        _log.warning("transaction interrupted, taking partitions again", error=str(error))
        self._ownership.forget()
        self._needs_recovery = True
        self._failed.note(error)
        if self._failed.is_not_allowed:
            raise LogNotAllowed(str(error)) from error

    def _fenced(self, error: Fenced) -> None:
        metrics.FENCED.inc()
        _log.warning("fenced, taking partitions again", error=str(error))
        self._ownership.forget()
