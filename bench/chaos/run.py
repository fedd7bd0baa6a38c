"""The run: services, sender and lanes of faults, an end in peace, and the judgement."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from bench import oracle
from bench.chaos.events import invented
from bench.chaos.lane import Lane
from bench.chaos.on_kafka import BrokerLane
from bench.chaos.on_redis import RedisLane, watermarks
from bench.chaos.on_services import SESSION_TIMEOUT_S, CrowdLane, Service, ServiceLane
from bench.chaos.sender import AgainLane, Sender
from bench.chaos.tally import Happened, Tally
from bench.services import environment, settings_of
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_PARTITIONS: Final = 8
# Every third row of a patient is evaluated: most of a batch is folding, as at a real ward.
_RISK_INTERVAL_S: Final = 900
# A lane ends when its fault is taken back: the longest are a start of Kafka on a busy machine.
_LANE_DEADLINE_S: Final = 120.0
_POLL_S: Final = 0.2
# What a service's log says of what it went through.
_TOLD: Final = {
    "assignment": "changes of assignment",
    "partition taken": "partitions taken",
    "transaction interrupted, taking partitions again": "transactions interrupted",
    "fenced, taking partitions again": "saves fenced",
    "waiting": "waits for Kafka or Redis",
    "partition refused": "partitions refused",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, and from which seed.

    Attributes:
        seed: of events and faults.
        seconds: how long faults go on.
        events: how many are sent in that time.
        services: places in the group.
        broker_rest_s: shortest and longest time between two faults of the broker; while it is
            away nothing else can be seen.
        redis_rest_s: the same for Redis.
        drain_s: how long the services may take to finish in peace.
    """

    seed: int
    seconds: float
    events: int
    services: int = 3
    broker_rest_s: tuple[float, float] = (25.0, 60.0)
    redis_rest_s: tuple[float, float] = (3.0, 9.0)
    drain_s: float = 900.0


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        faults: in the order in which they were over.
        errors: what went wrong with the run itself, or kept the services from finishing.
        events: records in the input topic.
        differences: by kind of output; empty if it did not come to the comparison.
        told: what the services said of what they went through.
        left: events that were not taken yet when the faults were over.
        drained_s: how long the services took to finish in peace.
    """

    faults: list[Happened]
    errors: list[str]
    events: int = 0
    differences: dict[str, oracle.Differences] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    left: int = 0
    drained_s: float = 0.0

    @property
    def by_kind(self) -> Counter[str]:
        """Faults by kind."""
        return Counter(fault.kind for fault in self.faults)

    @property
    def n_differences(self) -> int:
        """All differences."""
        return sum(of.total for of in self.differences.values())

    @property
    def holds(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return bool(self.differences) and not self.errors and not self.n_differences


class Show:
    """Whoever watches; the base shows nothing."""

    def during(self, seconds: float, sent: int, faults: int) -> None:
        """Called now and then while faults happen."""

    def draining(self, left: int) -> None:
        """Called while the services finish, with the events that are left."""

    def judging(self, partitions: int, of: int) -> None:
        """Called when the oracle has compared so many partitions."""


def run(stack: LocalStack, folder: Path, plan: Plan, show: Show | None = None) -> Outcome:
    """Lets everything happen at once, waits for peace, and compares.

    Args:
        stack: a Kafka and a Redis of its own: they are taken away.
        folder: for the logs of the services.
        plan: how long and how much.
        show: told how it goes.
    """
    show = show or Show()
    told = environment(
        stack, "chaos-", partitions=_PARTITIONS, risk_interval=_RISK_INTERVAL_S,
        kafka_session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
    )  # fmt: skip
    settings = settings_of(told)
    ensure_topics(settings)
    events = invented(plan.seed, plan.events, _PARTITIONS, int(time.time() * 1000))
    sender = Sender(settings, events, plan.events, plan.seconds)
    tally = Tally()
    group = [Service(told, f"service-{i}", folder) for i in range(plan.services)]
    extra = Service(told, "service-extra", folder)
    lanes: list[Lane] = [
        *(ServiceLane(plan.seed, i / plan.services, one, tally) for i, one in enumerate(group)),
        CrowdLane(plan.seed, extra, tally),
        RedisLane(plan.seed, stack, settings, plan.redis_rest_s, tally),
        BrokerLane(plan.seed, stack, plan.broker_rest_s, tally),
        AgainLane(plan.seed, sender, tally),
    ]
    outcome = Outcome(tally.happened, [])
    with _ended([*group, extra]):
        _let_happen(lanes, sender, plan, show, tally, outcome)
        if not outcome.errors:
            for service in group:
                service.stop()
                service.start()
            _drain(settings, sender, group, plan, show, outcome)
    outcome.told = _told([service.log for service in [*group, extra]])
    if not outcome.errors:
        outcome.events = sum(_ends(settings))
        outcome.differences = oracle.compare(
            settings, processes=plan.services, progress=lambda n: show.judging(n, _PARTITIONS)
        )
    return outcome


def _let_happen(
    lanes: Sequence[Lane], sender: Sender, plan: Plan, show: Show, tally: Tally, outcome: Outcome
) -> None:
    began = time.monotonic()
    sender.start()
    for lane in lanes:
        lane.start()
    threads: list[Sender | Lane] = [sender, *lanes]
    failed = False
    while (elapsed := time.monotonic() - began) < plan.seconds and not failed:
        time.sleep(_POLL_S)
        show.during(elapsed, sender.sent, len(tally.happened))
        failed = any(one.error is not None for one in threads)
    for lane in lanes:
        lane.told.set()
    give_up_at = time.monotonic() + _LANE_DEADLINE_S
    for lane in lanes:
        lane.join(max(0.0, give_up_at - time.monotonic()))
        if lane.is_alive():
            outcome.errors.append(f"{lane.name} did not end")
    if failed:
        sender.stop()
    sender.join(_LANE_DEADLINE_S)
    if sender.is_alive():
        outcome.errors.append(f"the sender did not end: {sender.sent} of {plan.events} events")
        sender.stop()
    outcome.errors += [f"{one.name}: {one.error!r}" for one in threads if one.error is not None]


def _drain(
    settings: Settings,
    sender: Sender,
    group: Sequence[Service],
    plan: Plan,
    show: Show,
    outcome: Outcome,
) -> None:
    """Waits until offsets and watermarks are at the end of every partition."""
    began = time.monotonic()
    sender.close_off()
    ends = _ends(settings)
    with contextlib.closing(_reader(settings)) as reader:
        while time.monotonic() - began < plan.drain_s:
            try:
                committed = [reader.committed(tp) or 0 for tp in _tps(settings)]
            except KafkaError:
                continue
            marks = watermarks(settings)
            outcome.left = max(outcome.left, sum(ends) - sum(committed))
            if committed == ends and marks == ends:
                outcome.drained_s = time.monotonic() - began
                return
            show.draining(sum(ends) - sum(committed))
            time.sleep(_POLL_S)
    reasons = [f"{service.log.stem}: {service.not_ready()}" for service in group]
    outcome.errors.append(
        f"not finished in {plan.drain_s:.0f} s: ends {ends}, committed {committed}, watermarks "
        f"{marks}; {'; '.join(reasons)}"
    )


def _ends(settings: Settings) -> list[int]:
    with contextlib.closing(_reader(settings)) as reader:
        ends = reader.end_offsets(_tps(settings))
    return [ends[tp] for tp in _tps(settings)]


def _reader(settings: Settings) -> KafkaConsumer:
    return KafkaConsumer(
        **settings.kafka_connection(), group_id=settings.group, enable_auto_commit=False
    )


def _tps(settings: Settings) -> list[TopicPartition]:
    return [TopicPartition(settings.topic_vitals, p) for p in range(settings.partitions)]


def _told(logs: Sequence[Path]) -> Counter[str]:
    told: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            with contextlib.suppress(json.JSONDecodeError, AttributeError):
                said = json.loads(line)
                event = said.get("event")
                if event in _TOLD:
                    told[_TOLD[event]] += 1
                if event == "partition taken" and said["replay"]:
                    told["partitions taken with a replay"] += 1
                    told["events replayed or to be"] += said["replay"]
    return told


@contextlib.contextmanager
def _ended(group: Sequence[Service]) -> Iterator[None]:
    try:
        yield
    finally:
        for service in group:
            service.stop()
