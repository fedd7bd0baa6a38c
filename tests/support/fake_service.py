"""A whole service in memory: broker, store, and workers that can be killed between effects."""

from __future__ import annotations

import copy
import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.adapters.memory.models import MemoryModels
from streamer.adapters.memory.state_topic import MemoryStateTopic
from streamer.adapters.memory.states import MemoryStates
from streamer.bundles.acceptance import Trust
from streamer.core.alert_messages import Content
from streamer.core.variables import VARIABLES
from streamer.ports.log import LogUnavailable, Output
from streamer.ports.states import StateStore, StateWrite, StoreUnavailable
from streamer.service.batch import Topics
from streamer.service.models import ModelLibrary
from streamer.service.worker import Worker
from streamer.service.worker_config import WorkerConfig
from tests.support.small_models import random_bundle

TOPICS = Topics("vitals", "alerts", "risk", "vitals.rejected", "stays", "outcomes")
ORIGIN_MS = 1_700_000_000_000
MINUTE_MS = 60_000
FOR_EVER_MS = 10**12
# Far more rounds than any log of these tests needs: a worker that hangs fails the test.
MOST_ROUNDS = 2_000

Event = tuple[int, bytes | None, bytes | None]  # partition, key, value


class Killed(Exception):
    """The end of a process, at a point between two effects."""


def die() -> None:
    """Ends the process here."""
    raise Killed


class FaultyStates(MemoryStates):
    """States that can lose the answer to a save, be wiped, and be set back."""

    def __init__(self) -> None:
        super().__init__()
        self.lose_next_answer = False

    def save(self, changes: Sequence[StateWrite]) -> None:
        super().save(changes)
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise StoreUnavailable("the answer was lost")

    def wipe(self) -> None:
        """Loses everything."""
        self._partitions.clear()
        self.lose_homes()

    def snapshot(self) -> Any:
        return copy.deepcopy(self._partitions)

    def restore(self, older: Any) -> None:
        self._partitions = copy.deepcopy(older)

    def watermark(self, partition: int) -> int | None:
        return self._open(partition).watermark


def library(*seeds: int) -> tuple[ModelLibrary, MemoryModels]:
    """Models with random weights, the last of them in force."""
    models = MemoryModels()
    for version, seed in enumerate(seeds):
        bundle = random_bundle(seed)
        models.publish(bundle.model_id, bundle.to_bytes(), version)
    return ModelLibrary(models, Trust(allow_unsigned=True)), models


class FakeProcess:
    """One worker with its log; ``at`` holds a fault for each point between two effects."""

    def __init__(self, fake: FakeService, max_batch: int) -> None:
        self.log = MemoryLog(fake.broker, max_batch, (TOPICS.risk_canary, TOPICS.alerts_canary))
        self.at: dict[str, Callable[[], None]] = {}
        config = WorkerConfig(
            TOPICS,
            fake.interval_ms,
            None,
            fake.rebuild_ms,
            fake.max_stays,
            fake.save_s,
            forecast=fake.forecast,
            states_s=fake.states_s,
            max_patients_a_day=fake.max_patients_a_day,
        )
        self.worker = Worker(
            self.log, fake.states, fake.library, config, self._fault, None, fake.state_topic
        )
        self.worker.unsaved.clock = self.worker.changelog.clock = lambda: self._rounds
        self._rounds = 0

    def step(self) -> bool:
        """Runs one round, of a second for what is unsaved; an outage counts as busy."""
        self.tick()
        try:
            return self.worker.step()
        except (LogUnavailable, StoreUnavailable):
            return True

    def tick(self) -> None:
        """Lets a second pass for what is unsaved."""
        self._rounds += 1

    def _fault(self, point: str) -> None:
        if point in self.at:
            self.at.pop(point)()


class FakeService:
    """Broker, store and library in memory, and any number of workers on them.

    ``states_s``, 0 at first: seconds within which changed stays go to the topic of states.
    """

    def __init__(
        self,
        models: ModelLibrary,
        n_partitions: int = 3,
        interval_ms: int = MINUTE_MS,
        rebuild_ms: int = FOR_EVER_MS,
        max_stays: int = 0,
        forecast: bool = False,
        save_s: float = 3,
    ) -> None:
        self.broker = MemoryBroker(n_partitions)
        self.state_topic = MemoryStateTopic(self.broker, TOPICS.states)
        self.states = FaultyStates()
        self.library = models
        self.interval_ms = interval_ms
        self.rebuild_ms = rebuild_ms
        self.max_stays = max_stays
        self.forecast = forecast
        self.save_s = save_s
        self.states_s = 0.0
        self.max_patients_a_day = 0

    def send(self, events: Sequence[Event]) -> None:
        for partition, key, value in events:
            self.broker.append(partition, key, value)

    def process(self, max_batch: int = 2_000) -> FakeProcess:
        return FakeProcess(self, max_batch)

    def kill(self, process: FakeProcess) -> None:
        """Ends the process; the group has noticed."""
        self.broker.expel(process.log)

    def drain(self, *processes: FakeProcess) -> None:
        """Lets the workers take turns until everything is read, committed and saved."""
        for _ in range(MOST_ROUNDS):
            busy = [process.step() for process in processes]
            if not any(busy) and self.finished():
                return
        raise AssertionError(f"not finished: {[p.worker.not_ready for p in processes]}")

    def finished(self) -> bool:
        """Whether offsets and watermarks are at the end of every partition that has events."""
        ends = {p: len(records) for p, records in enumerate(self.broker.partitions) if records}
        return all(
            self.broker.committed.get(p) == end and self.states.watermark(p) == end
            for p, end in ends.items()
        )

    def outputs_by_patient(self) -> dict[tuple[str, str | None, bytes | None], list[Output]]:
        """The messages that subscribers read, by topic, input partition and patient, in order."""
        by_patient: dict[tuple[str, str | None, bytes | None], list[Output]] = {}
        for output in self.broker.outputs:
            if output.topic == TOPICS.states:  # how often a stay goes there follows from the clock
                continue
            origin = dict(output.headers).get("partition", str(output.partition).encode())
            by_patient.setdefault((output.topic, origin.decode(), output.key), []).append(output)
        return by_patient

    def stored_stays(self) -> dict[int, dict[str, bytes]]:
        """The stored stays of all partitions."""
        return {p: stays_in(self.states, p) for p in range(len(self.broker.partitions))}

    def messages(self, topic: str) -> list[Content]:
        return [json.loads(o.value or b"") for o in self.broker.outputs if o.topic == topic]


def stays_in(states: StateStore, partition: int) -> dict[str, bytes]:
    """All stored stays of a partition, by patient."""
    return {patient: stay for page in states.pages(partition) for patient, stay in page.items()}


def event(partition: int, patient: str, minute: float, **fields: Any) -> Event:
    """An event of a patient, ``minute`` minutes after ``ORIGIN_MS``."""
    content = {"patient_id": patient, "time": ORIGIN_MS + round(minute * MINUTE_MS), **fields}
    return partition, patient.encode(), json.dumps(content).encode()


def random_log(
    seed: int, n_events: int = 150, n_partitions: int = 3, n_patients: int = 6
) -> list[Event]:
    """Events of several stays: late, repeated, out of order, rejected, and ends of stays."""
    draws = np.random.default_rng(seed)
    log: list[Event] = []
    for i in range(n_patients):
        log.append(event(i % n_partitions, f"p{i}", 0, type="admission", age=50 + i))
    minute = 0.0
    while len(log) < n_events:
        minute += draws.exponential(20)
        i = int(draws.integers(n_patients))
        partition, patient = i % n_partitions, f"p{i}"
        kind = draws.random()
        if kind < 0.80:
            late = draws.exponential(120) if draws.random() < 0.2 else 0
            chosen = draws.choice(len(VARIABLES), 4, replace=False)
            values = {
                VARIABLES[v].name: float(draws.uniform(VARIABLES[v].low, VARIABLES[v].high))
                for v in chosen
            }
            log.append(event(partition, patient, max(0, minute - late), values=values))
        elif kind < 0.86:
            log.append(log[int(draws.integers(len(log)))])
        elif kind < 0.91:
            log.append((partition, patient.encode(), b"{not json"))
        elif kind < 0.94:
            log.append((partition, None, b"{}"))
        elif kind < 0.98:
            drug = {"drug": "ceftriaxone", "class": "antibiotic", "action": "start"}
            log.append(event(partition, patient, minute, type="medication", **drug))
        else:
            log.append(event(partition, patient, minute, type="discharge"))
    return log


def answered_log(models: ModelLibrary, seed: int) -> list[Event]:
    """A log of `random_log` in which people answer the alerts that it causes."""
    log = random_log(seed)
    starts = {
        (output.partition, m["offset"]): m
        for output in reference_run(models, log).broker.outputs
        if output.topic == TOPICS.alerts
        and (m := json.loads(output.value or b""))["phase"] == "start"
    }
    answered: list[Event] = []
    offsets = Counter[int]()
    waiting: list[tuple[int, Event]] = []  # after how many more records, what
    for partition, key, value in log:
        answered.append((partition, key, value))
        start = starts.get((partition, offsets[partition]))
        offsets[partition] += 1
        if start is not None:
            waiting += [
                (after, _action(partition, start, kind, after))
                for after, kind in (
                    (0, "acknowledge"),
                    (3, "snooze"),
                    (9, "pause"),
                    (20, "feedback"),
                )
            ]
        answered += [event for after, event in waiting if after == 0] * 2  # each is sent twice
        waiting = [(after - 1, event) for after, event in waiting if after > 0]
    return answered


def _action(partition: int, start: Content, kind: str, after: int) -> Event:
    identity = f"{start['alert_id']} {kind}"
    content = {
        "type": "action", "action": kind,
        "action_id": str(uuid.uuid5(uuid.NAMESPACE_OID, identity)),
        "patient_id": start["patient_id"], "time": start["time"], "alert_id": start["alert_id"],
        "revision": 1, "minutes": 20 + after, "reason": "treated", "verdict": "true",
        "actor": {"user": "nurse"},
    }  # fmt: skip
    return partition, start["patient_id"].encode(), json.dumps(content).encode()


def reference_run(models: ModelLibrary, events: Sequence[Event], **options: Any) -> FakeService:
    """A service whose one worker has taken the events without any fault."""
    fake = FakeService(models, **options)
    fake.send(events)
    fake.drain(fake.process())
    return fake


@cache
def reference_of(
    models: ModelLibrary,
    seed: int,
    n_events: int,
    n_patients: int = 6,
    last: tuple[Event, ...] = (),
) -> FakeService:
    """What a `random_log` and some last events should give, worked out once; to be read only."""
    return reference_run(models, [*random_log(seed, n_events, n_patients=n_patients), *last])
