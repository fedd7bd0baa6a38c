"""The run: services, sender and lanes of faults, an end without faults, and the comparison."""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from bench import oracle
from bench.chaos import judging, judging_actions, model_swaps
from bench.chaos.actions import Board, BoardLane, People
from bench.chaos.broker_faults import BrokerLane
from bench.chaos.events import chaos_events
from bench.chaos.failover_faults import FailoverLane
from bench.chaos.fault_lane import FaultLane
from bench.chaos.liveness import LivenessWatch
from bench.chaos.redis_faults import RedisLane, watermarks
from bench.chaos.sender import ResendLane, Sender
from bench.chaos.service_faults import SESSION_TIMEOUT_S, ExtraServiceLane, Service, ServiceLane
from bench.chaos.tally import Fault, Tally
from bench.independent_oracle.network import Bundle as OracleBundle
from bench.redis_groups import Group
from bench.services import ensure_topics_of_any_time, environment, settings_of
from streamer.bundles.build import build
from streamer.local import LocalStack
from streamer.service.settings import Settings

_PARTITIONS: Final = 8
# Every third row of a patient is evaluated: most of a batch is folding, as at a real ward.
_RISK_INTERVAL_S: Final = 900
_MODEL_REST_S: Final = (4.0, 12.0)  # a model is in force within ten seconds; some never are
# A lane ends when its fault is repaired: the longest is a start of Kafka on a busy machine.
_LANE_DEADLINE_S: Final = 120.0
_POLL_S: Final = 0.2
# A dead member's partitions wait for its session and for its open transaction, 15 s; then they are
# taken, on a busy machine.
SILENCE_LIMIT_S: Final = SESSION_TIMEOUT_S + 15.0 + 20.0
# Events in the log of a service, and their names in the report.
_LOG_EVENTS: Final = {
    "assignment": "changes of assignment",
    "partition taken": "partitions taken",
    "transaction interrupted, taking partitions again": "transactions interrupted",
    "fenced, taking partitions again": "saves fenced",
    "waiting": "waits for Kafka or Redis",
    "partition refused": "partitions refused",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Length, size and seed of a run.

    Attributes:
        seed: of events and faults.
        seconds: duration of the faults.
        events: number of events sent in that time.
        services: members of the group.
        broker_rest_s: shortest and longest time between two faults of the broker; while it is
            down, no other fault shows.
        redis_rest_s: the same for Redis.
        drain_s: seconds that the services may take to finish after the faults.
        swaps: published models take over from each other. The fold of the log knows one model, so
            risks, alerts and states are then the independent oracle's alone; and states are not
            lost for good, since a rebuild lets the last model speak from the beginning.
        share_computed: the independent oracle computes the risks of one patient in so many.
    """

    seed: int
    seconds: float
    events: int
    services: int = 3
    broker_rest_s: tuple[float, float] = (25.0, 60.0)
    redis_rest_s: tuple[float, float] = (3.0, 9.0)
    drain_s: float = 900.0
    swaps: bool = False
    share_computed: int = 16


@dataclass(slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        faults: in the order in which they ended.
        errors: errors of the run itself, and reasons why services did not finish.
        events: records in the input topic.
        differences: by kind of output; empty if the run did not come to the comparison.
        service_events: counts of events in the logs of the services.
        left: events that were not taken yet when the faults ended.
        drained_s: seconds that the services took to finish after the faults.
        judgement: of the oracle that shares nothing with the services.
        longest_silence_s: seconds in which a partition stood still though all services said that
            they were ready.
    """

    faults: list[Fault]
    errors: list[str]
    events: int = 0
    differences: dict[str, oracle.Differences] = field(default_factory=dict)
    service_events: Counter[str] = field(default_factory=Counter)
    left: int = 0
    drained_s: float = 0.0
    judgement: judging.Judgement = field(default_factory=judging.Judgement)
    longest_silence_s: float = 0.0

    @property
    def by_kind(self) -> Counter[str]:
        """Faults by kind."""
        return Counter(fault.kind for fault in self.faults)

    @property
    def n_differences(self) -> int:
        """The number of all differences."""
        return sum(counts.total for counts in self.differences.values())

    @property
    def holds(self) -> bool:
        """Whether everything was compared and nothing differs."""
        compared = bool(self.differences) and bool(self.judgement.checked)
        wrong = self.n_differences + self.judgement.faults.total()
        return (
            compared and not (self.errors or wrong) and (self.longest_silence_s <= SILENCE_LIMIT_S)
        )


class RunProgress:
    """Receives the progress of a run; this base shows nothing."""

    def in_faults(self, seconds: float, sent: int, faults: int) -> None:
        """Called every ``_POLL_S`` while faults happen."""

    def draining(self, left: int) -> None:
        """Called while the services finish, with the number of events that are left."""

    def comparing(self, partitions: int, of: int) -> None:
        """Called when the oracle has compared ``partitions`` of all."""


def run(
    stack: LocalStack,
    folder: Path,
    plan: Plan,
    progress: RunProgress | None = None,
    group_of_redis: Group | None = None,
) -> Outcome:
    """Runs all lanes at once, lets the services finish, and compares.

    Args:
        stack: a Kafka and a Redis of its own: both are killed and emptied.
        folder: folder for the logs of the services.
        plan: length, size and seed.
        progress: receives the progress.
        group_of_redis: the servers behind the stack's Redis, where it is more than one: masters are
            then taken away, and states are never lost for good.
    """
    progress = progress or RunProgress()
    variables = environment(
        stack, "chaos-", partitions=_PARTITIONS, risk_interval=_RISK_INTERVAL_S,
        kafka_session_timeout_ms=int(SESSION_TIMEOUT_S * 1000),
    )  # fmt: skip
    settings = settings_of(variables)
    ensure_topics_of_any_time(settings)
    events = chaos_events(plan.seed, plan.events, _PARTITIONS, int(time.time() * 1000))
    sender = Sender(settings, events, plan.events, plan.seconds)
    tally = Tally()
    group = [Service(variables, f"service-{i}", folder) for i in range(plan.services)]
    extra = Service(variables, "service-extra", folder)
    # One that was published is lost with Redis, and no other may speak then.
    models = model_swaps.variants()[: 2 if plan.swaps else 1]
    if not model_swaps.publish(stack.redis, models[0]):
        raise RuntimeError("the model could not be published")
    board = Board(variables, folder)
    people = People(plan.seed, board.url)
    lanes: list[FaultLane] = [
        *(ServiceLane(plan.seed, i / plan.services, one, tally) for i, one in enumerate(group)),
        ExtraServiceLane(plan.seed, extra, tally),
        RedisLane(
            plan.seed,
            stack,
            settings,
            plan.redis_rest_s,
            tally,
            models[0],
            may_lose=not plan.swaps,
        )
        if group_of_redis is None
        else FailoverLane(plan.seed, group_of_redis, plan.redis_rest_s, tally),
        BrokerLane(plan.seed, stack, settings, plan.broker_rest_s, tally),
        ResendLane(plan.seed, sender, tally),
        BoardLane(plan.seed, board, tally),
    ]
    if plan.swaps:
        lanes.append(model_swaps.ModelLane(plan.seed, stack.redis, _MODEL_REST_S, tally))
    outcome = Outcome(tally.faults, [])
    services = [*group, extra]
    with (
        _stopped_at_end([*services, board]),
        contextlib.closing(_reader(settings)) as reader,
        _watched(settings, reader, services, outcome),
    ):
        board.start()
        _cause_faults(lanes, (sender, people), plan, progress, tally, outcome)
        if not outcome.errors:
            for service in group:
                service.stop()
                service.start()
            people.close_off()
            _drain(settings, sender, group, plan, progress, outcome)
    outcome.service_events = _count_log_events([service.log for service in services])
    if not outcome.errors:
        outcome.events = sum(_ends(settings))
        outcome.differences = oracle.compare(
            settings,
            build(models[0]),
            processes=plan.services,
            progress=lambda n: progress.comparing(n, _PARTITIONS),
        )
        if plan.swaps:
            outcome.differences = {"rejected": outcome.differences["rejected"]}
        bundles = {m.model_id: OracleBundle(dict(m.manifest), m.weights) for m in models}
        outcome.judgement = judging.judge(settings, bundles, plan.services, plan.share_computed)
        outcome.judgement.add(judging_actions.judge_run(settings, people.posts))
    return outcome


def _cause_faults(
    lanes: Sequence[FaultLane],
    senders: tuple[Sender, People],
    plan: Plan,
    progress: RunProgress,
    tally: Tally,
    outcome: Outcome,
) -> None:
    began = time.monotonic()
    sender, people = senders
    threads: list[Sender | People | FaultLane] = [sender, people, *lanes]
    for thread in threads:
        thread.start()
    failed = False
    while (elapsed := time.monotonic() - began) < plan.seconds and not failed:
        time.sleep(_POLL_S)
        progress.in_faults(elapsed, sender.sent, len(tally.faults))
        failed = any(thread.error is not None for thread in threads)
    for lane in lanes:
        lane.stopping.set()
    give_up_at = time.monotonic() + _LANE_DEADLINE_S
    for lane in lanes:
        lane.join(max(0.0, give_up_at - time.monotonic()))
        if lane.is_alive():
            outcome.errors.append(f"{lane.name} did not end")
    if failed:
        sender.stop()
    people.stop()
    people.join(_LANE_DEADLINE_S)
    if people.is_alive():
        outcome.errors.append("people did not end")
    sender.join(_LANE_DEADLINE_S)
    if sender.is_alive():
        outcome.errors.append(f"the sender did not end: {sender.sent} of {plan.events} events")
        sender.stop()
    outcome.errors += [
        f"{thread.name}: {thread.error!r}" for thread in threads if thread.error is not None
    ]


def _drain(
    settings: Settings,
    sender: Sender,
    group: Sequence[Service],
    plan: Plan,
    progress: RunProgress,
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
            progress.draining(sum(ends) - sum(committed))
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


def _count_log_events(logs: Sequence[Path]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            with contextlib.suppress(json.JSONDecodeError, AttributeError):
                entry = json.loads(line)
                event = entry.get("event")
                if event in _LOG_EVENTS:
                    counts[_LOG_EVENTS[event]] += 1
                if event == "partition taken" and entry["replay"]:
                    counts["partitions taken with a replay"] += 1
                    counts["events replayed or to be"] += entry["replay"]
    return counts


@contextlib.contextmanager
def _watched(
    settings: Settings, reader: KafkaConsumer, services: Sequence[Service], outcome: Outcome
) -> Iterator[None]:
    """Watches whether partitions move while all services say that they are ready."""

    def offsets() -> tuple[list[int], list[int]]:
        ends = reader.end_offsets(_tps(settings))
        return list(ends.values()), [reader.committed(tp) or 0 for tp in _tps(settings)]

    watch = LivenessWatch(
        offsets, lambda: [service.not_ready() for service in services if service.alive]
    )
    watch.start()
    try:
        yield
    finally:
        watch.stop()
        outcome.longest_silence_s = watch.longest_s
        if watch.error is not None:
            where = "".join(traceback.format_exception(watch.error)[-2:])
            outcome.errors.append(f"the watch: {where}")


@contextlib.contextmanager
def _stopped_at_end(group: Sequence[Service | Board]) -> Iterator[None]:
    try:
        yield
    finally:
        for service in group:
            service.stop()
