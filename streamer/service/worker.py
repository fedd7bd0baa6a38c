"""The loop that performs effects, in the one order that survives being cut off anywhere.

1. poll the log;
2. score the records, purely;
3. one transaction: alerts, risks, rejected events, and the offsets they came from;
4. one fenced write per partition: states and watermark.

Cut off before 3 has committed, nothing happened. Cut off between 3 and 4, the next owner replays
what is between watermark and committed offset into the states, silently. A worker that was paused
while another took over is refused at 3 (generation) or at 4 (epoch), forgets and starts over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.core.codec import CorruptState, decode
from streamer.core.columns import Record
from streamer.core.model import Model
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from streamer.ports.log import EventLog, Interrupted, LogUnavailable, Polled
from streamer.ports.states import Fenced, Save, StateStore, StoreUnavailable
from streamer.service import metrics
from streamer.service.batch import Result, Topics, changed_states, process
from streamer.service.models import ModelLibrary
from streamer.service.swap import move
from streamer.service.takeover import Partition, Refusal, plan_start

_log = structlog.get_logger()

POLL_S: Final = 0.2  # how late a SIGTERM or a new model is noticed when nothing flows
RETRY_S: Final = 0.5  # between questions to a store or log that does not answer
LOOK_FOR_MODEL_S: Final = 1.0  # a tenth of the promised ten seconds


@dataclass(frozen=True, slots=True)
class Rules:
    """What the worker is told by configuration."""

    topics: Topics
    interval_ms: int
    future_limit_ms: int | None
    rebuild_ms: int


class Worker:
    """Owns partitions, and the stays in them, for as long as the log lets it.

    Args:
        log: where events come from and messages go.
        states: where states live.
        library: which model is in force.
        rules: names, intervals, limits.
        fault: called with the name of each point between two effects; tests crash there.
    """

    def __init__(
        self,
        log: EventLog,
        states: StateStore,
        library: ModelLibrary,
        rules: Rules,
        fault: Callable[[str], None] | None = None,
    ) -> None:
        self._log = log
        self._states = states
        self._library = library
        self._rules = rules
        self._fault = fault or _no_fault
        self._model: Model = library.in_force()
        self._looked_for_model = time.monotonic()
        self._owned: dict[int, Partition] = {}
        self._untaken: set[int] = set()
        self._refused: dict[int, str] = {}
        self._scorers: dict[str, Scorer] = {}
        self._unsaved: list[Save] = []
        self._waiting_for: str | None = "the first assignment"
        metrics.MODEL.labels(self._model.model_id).set(1)

    @property
    def not_ready(self) -> list[str]:
        """Why the service is not doing its work right now; empty when it is."""
        reasons = [f"waiting for {self._waiting_for}"] if self._waiting_for else []
        reasons += [f"partition {p}: {why}" for p, why in sorted(self._refused.items())]
        behind = [p.number for p in self._owned.values() if not p.caught_up]
        return [*reasons, *(f"partition {p}: rebuilding its states" for p in sorted(behind))]

    def run(self, stop: threading.Event, exit_when_idle_s: float | None = None) -> None:
        """Works until ``stop`` is set, or nothing was left to do for ``exit_when_idle_s``."""
        idle_since = time.monotonic()
        while not stop.is_set():
            try:
                busy = self.step()
            except (LogUnavailable, StoreUnavailable) as error:
                self._wait_for(str(error))
                stop.wait(RETRY_S)
                continue
            if busy or self._waiting_for or self.not_ready:
                idle_since = time.monotonic()
            if exit_when_idle_s is not None and time.monotonic() - idle_since > exit_when_idle_s:
                return

    def step(self) -> bool:
        """Does one round; returns whether there was anything to do.

        Raises:
            LogUnavailable: the log does not answer; call again later.
            StoreUnavailable: the store does not answer; call again later. Nothing is lost.
        """
        if self._unsaved:
            self._save_again()
        polled = self._log.poll(POLL_S)
        self._follow_assignment(polled)
        # Of a partition that is yet to be taken, what was read may not be what it must go on with.
        records = [record for record in polled.records if record.partition in self._owned]
        positions = {p: end for p, end in polled.positions.items() if p in self._owned}
        try:
            self._take_untaken()
            if self._owned or self._refused:
                self._waiting_for = None
            if records:
                self._batch(records, positions)
            self._follow_model()
        except (LogUnavailable, StoreUnavailable):
            self._rewind()  # what this poll brought may not have been taken
            raise
        except Interrupted as error:
            metrics.INTERRUPTED.inc()
            _log.warning("transaction interrupted, taking partitions again", error=str(error))
            self._forget_all()
            self._log.recover()
        except Fenced as error:
            metrics.FENCED.inc()
            _log.warning("fenced, taking partitions again", error=str(error))
            self._forget_all()
        return bool(records)

    def close(self) -> None:
        """Leaves the group; states and log are as the last finished batch left them."""
        self._log.close()
        self._states.close()

    def _batch(self, records: Sequence[Record], positions: dict[int, int]) -> None:
        by_model: dict[str, list[Record]] = {}
        for record in records:
            by_model.setdefault(self._owned[record.partition].model_id, []).append(record)
        results: list[Result] = []
        with metrics.STAGE.labels("score").time():
            for model_id, share in by_model.items():
                scorer = self._scorers[model_id]
                limit = self._rules.future_limit_ms
                results.append(process(scorer, share, self._owned, self._rules.topics, limit))
        moved = [self._owned[p] for p in positions]
        live = {
            p.number: positions[p.number] for p in moved if positions[p.number] > p.silent_until
        }
        self._fault("before_transaction")
        if live:
            outputs = [output for result in results for output in result.outputs]
            with metrics.STAGE.labels("transaction").time():
                self._log.transact(outputs, live)
        self._fault("after_transaction")
        for partition in moved:
            partition.position = positions[partition.number]
        with metrics.STAGE.labels("encode").time():
            for model_id, scorer in self._scorers.items():
                mine = [p for p in moved if p.model_id == model_id]
                self._unsaved += changed_states(scorer, mine, positions)
        _count(results, records)
        self._save()
        self._fault("after_save")

    def _save(self) -> None:
        with metrics.STAGE.labels("save").time():
            try:
                self._states.save(self._unsaved)
            except StoreUnavailable:
                # The messages are out, so these states must follow before anything else happens.
                self._log.pause([save.partition for save in self._unsaved])
                raise
        for save in self._unsaved:
            self._owned[save.partition].watermark = save.watermark
        self._unsaved = []

    def _save_again(self) -> None:
        """Saves what an outage of the store has left, while the membership stays alive."""
        polled = self._log.poll(0)
        self._follow_assignment(polled)
        waiting = [save.partition for save in self._unsaved]
        try:
            self._save()
        except Fenced as error:
            metrics.FENCED.inc()
            _log.warning("fenced after an outage, taking partitions again", error=str(error))
            self._forget_all()
        self._log.resume([p for p in waiting if p in self._owned])
        self._rewind()

    def _follow_assignment(self, polled: Polled) -> None:
        if polled.gained or polled.lost:
            metrics.REBALANCES.inc()
            _log.info("assignment", gained=polled.gained, lost=polled.lost)
        for partition in polled.lost:
            self._drop(partition)
            self._untaken.discard(partition)
            self._refused.pop(partition, None)
        self._untaken.update(polled.gained)
        metrics.PARTITIONS.set(len(self._owned))

    def _take_untaken(self) -> None:
        if not self._untaken:
            return
        log_id = self._log.log_id()
        for number in sorted(self._untaken):
            try:
                self._take(number, log_id)
            except Refusal as error:
                self._log.pause([number])
                self._refused[number] = str(error)
                _log.error("partition refused", partition=number, error=str(error))
            self._untaken.discard(number)
        metrics.PARTITIONS.set(len(self._owned))

    def _take(self, number: int, log_id: str) -> None:
        taken = self._states.take(number)
        model = self._model if taken.model_id is None else self._library.get(taken.model_id)
        stored: dict[str, bytes] = {}
        if taken.watermark is not None:
            if model is None:
                raise Refusal(
                    f"its states were stepped by model {taken.model_id}, which is not published "
                    "any more. Publish it again, or delete the partition's states in Redis to "
                    "rebuild them (docs/operations.md)"
                )
            stored = self._states.load(number)
        model = model or self._model
        start = plan_start(self._log, number, taken, log_id, self._rules.rebuild_ms)
        scorer = self._scorer(model)
        self._refuse_patients_elsewhere(stored)
        try:
            decode(scorer.table, number, stored)
        except CorruptState as error:
            self._clear(number)
            raise Refusal(
                f"{error}. Delete the partition's states in Redis to rebuild them from the log "
                "(docs/operations.md)"
            ) from error
        watermark = taken.watermark
        if watermark is None:
            # A crash in the first batch must find where reading began, not guess it by time.
            watermark = start.position
            mark = Save(number, taken.epoch, None, watermark, model.model_id, log_id, {})
            self._states.save([mark])
        self._owned[number] = Partition(
            number, taken.epoch, watermark, start.position, start.silent_until, log_id,
            model.model_id,
        )  # fmt: skip
        self._fault("after_take")
        self._log.seek(number, start.position)
        self._log.resume([number])
        _log.info(
            "partition taken",
            partition=number,
            stays=len(stored),
            position=start.position,
            replay=start.silent_until - start.position,
            model=model.model_id,
        )

    def _refuse_patients_elsewhere(self, stored: Mapping[str, bytes]) -> None:
        for scorer in self._scorers.values():
            for patient in sorted(stored.keys() & scorer.table.slot_of.keys()):
                other = scorer.table.partitions[scorer.table.slot_of[patient]]
                raise Refusal(
                    f"patient {patient!r} already has a stay on partition {other}: partitions were "
                    "added to the topic, or its producers disagree on where a key belongs. Feed a "
                    "new topic in one way (docs/operations.md)"
                )

    def _follow_model(self) -> None:
        if time.monotonic() - self._looked_for_model > LOOK_FOR_MODEL_S:
            self._looked_for_model = time.monotonic()
            try:
                model = self._library.in_force(fallback=self._model)
            except StoreUnavailable as error:
                _log.warning("cannot look for a new model", error=str(error))
                return
            if model.model_id != self._model.model_id:
                _log.info("model in force", model=model.model_id, before=self._model.model_id)
                metrics.MODEL.labels(self._model.model_id).set(0)
                metrics.MODEL.labels(model.model_id).set(1)
                self._model = model
        outdated = [
            p
            for p in self._owned.values()
            if p.model_id != self._model.model_id and p.caught_up and not self._unsaved
        ]
        if outdated:
            self._swap(outdated)

    def _swap(self, partitions: Sequence[Partition]) -> None:
        """Moves partitions to the model in force, between two batches, with W equal to C."""
        target = self._scorer(self._model)
        for partition in partitions:
            moved = move(self._scorers[partition.model_id].table, target.table, partition.number)
            partition.model_id = self._model.model_id
            metrics.REWARMED.inc(moved)
        self._unsaved += changed_states(target, partitions, {})
        self._save()
        in_use = {p.model_id for p in self._owned.values()} | {self._model.model_id}
        self._scorers = {m: scorer for m, scorer in self._scorers.items() if m in in_use}

    def _scorer(self, model: Model) -> Scorer:
        if model.model_id not in self._scorers:
            table = StayTable(model.architecture)
            self._scorers[model.model_id] = Scorer(model, table, self._rules.interval_ms)
        return self._scorers[model.model_id]

    def _drop(self, number: int) -> None:
        self._unsaved = [save for save in self._unsaved if save.partition != number]
        if self._owned.pop(number, None) is not None:
            self._clear(number)

    def _clear(self, number: int) -> None:
        for scorer in self._scorers.values():
            for patient in scorer.table.names(scorer.table.slots_in(number)):
                scorer.table.remove(patient)

    def _forget_all(self) -> None:
        for number in list(self._owned):
            self._drop(number)
            self._untaken.add(number)

    def _rewind(self) -> None:
        for number, partition in self._owned.items():
            self._log.seek(number, partition.position)

    def _wait_for(self, what: str) -> None:
        if self._waiting_for != what:
            _log.warning("waiting", reason=what)
        self._waiting_for = what


def _no_fault(point: str) -> None:
    del point


def _count(results: Sequence[Result], records: Sequence[Record]) -> None:
    for result in results:
        metrics.EVENTS.inc(result.n_live)
        metrics.REPLAYED.inc(result.n_silent)
        metrics.RISKS.inc(result.n_risks)
        for reason, count in result.rejected.items():
            metrics.REJECTED.labels(reason).inc(count)
        for problem, count in result.problems.items():
            metrics.VALUES_DROPPED.labels(problem).inc(count)
        for phase, count in result.alerts.items():
            metrics.ALERTS.labels(phase).inc(count)
    metrics.LAG.set(time.time() - max(record.timestamp_ms for record in records) / 1000)
