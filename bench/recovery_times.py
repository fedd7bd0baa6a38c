"""Delay of risks after each loss: a steady ward, one loss, the longest wait of an event.

    python -m bench.recovery_times [--only WORDS] [--partitions N]

An event is sent every 0.2 s on each of two partitions, or of so many. Its wait is the time from its
record to that of its risk, as their producers stamp both. What is lost comes back at once, as a
supervisor would bring it. Every event has one risk: those without are lost, none may come twice.

When Redis loses everything, services speak on from memory until they notice at their next save.
Then states are restored from the topic. So there are two figures: the wait, and the time from the
loss to the first risks from restored states.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from redis import Redis

from bench.independent_oracle.ledger import epoch_ms
from bench.machine import describe
from bench.reading import Tail, read_topic
from bench.services import ServiceProcess, environment, settings_of
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_EVERY_S: Final = 0.2
_BEFORE_S: Final = 10.0  # two rounds of states: each stay is in the topic, and marks are
_AFTER_S: Final = 30.0
_STATES_S: Final = 4
_STILL: Final = 1_000
_STEADY: Final = "steady-"
_WIPED: Final = "Redis loses everything"
_HEAD: Final = """\
| loss | longest wait, worst, best partition | risks from restored states after | lost | doubled |
|---|---|---|---|---|"""
_DEADLINE_S: Final = 120.0
_STEP_MS: Final = 61_000  # of event time: each event is a new evaluation
_FROM_MS: Final = 1_700_000_000_000


class Wait(NamedTuple):
    """An event: when it was sent and when its risk was published, epoch seconds; NaN for never."""

    partition: int
    sent: float
    risk: float


class Trial(NamedTuple):
    """What a loss may take away: two services, a Kafka and a Redis of its own.

    The second service is started by those that begin with one.
    """

    stack: LocalStack
    services: list[ServiceProcess]


class Ward:
    """One patient on each partition with an event every 0.2 s, among a thousand who lie still."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(**settings.kafka_connection(), linger_ms=0)
        self._risks = Tail(settings, settings.topic_risk)
        self._n = 0
        self.sent: list[Any] = []
        self.seen = [-1] * settings.partitions  # number of the last event whose risk was read
        for number in range(_STILL):
            self._send(number % settings.partitions, f"still-{number}")

    def send(self, until: Callable[[], bool]) -> None:
        """Sends at an even pace until a condition holds.

        Raises:
            RuntimeError: it does not within two minutes.
        """
        give_up_at = time.monotonic() + _DEADLINE_S
        due_at = time.monotonic()
        while not until():
            if time.monotonic() > give_up_at:
                raise RuntimeError("the service did not catch up")
            for partition in range(len(self.seen)):
                self.sent.append(self._send(partition, f"{_STEADY}{partition}"))
            self._n += 1
            due_at = max(due_at + _EVERY_S, time.monotonic())
            while (left_s := due_at - time.monotonic()) > 0:
                self._look(left_s)

    def catch_up(self) -> None:
        """Waits for the risk of the last event on each partition."""
        last = self._n - 1
        self.send(lambda: min(self.seen) >= last)

    def waits(self) -> tuple[list[Wait], int]:
        """All events with the time that their risks took, and the number of doubled risks."""
        self._producer.flush(_DEADLINE_S)
        at = {(m.partition, m.offset): m.timestamp for m in (one.get() for one in self.sent)}
        risks = [
            (int(content["partition"]), int(content["offset"]), record.timestamp)
            for record in read_topic(self._settings, self._settings.topic_risk)
            if (content := json.loads(record.value))["patient_id"].startswith(_STEADY)
        ]
        published = {(partition, offset): stamp for partition, offset, stamp in risks}
        waits = [
            Wait(partition, sent / 1000, published.get((partition, offset), math.nan) / 1000)
            for (partition, offset), sent in at.items()
        ]
        return waits, len(risks) - len(published)

    def close(self) -> None:
        """Closes the connections."""
        self._producer.close()
        self._risks.close()

    def _send(self, partition: int, patient: str) -> Any:
        time_ms = _FROM_MS + self._n * _STEP_MS
        content = {"patient_id": patient, "time": time_ms, "values": {"heart_rate": 80}}
        return self._producer.send(
            self._settings.topic_vitals, json.dumps(content).encode(), patient.encode(),
            partition=partition,
        )  # fmt: skip

    def _look(self, most_s: float) -> None:
        for record in self._risks.poll(int(most_s * 1000) + 1):
            content = json.loads(record.value)
            if content["patient_id"].startswith(_STEADY):
                n = ((epoch_ms(content["time"]) or 0) - _FROM_MS) // _STEP_MS
                self.seen[content["partition"]] = max(n, self.seen[content["partition"]])


def _nothing(_: Trial) -> None:
    """The fault of the first service is the loss."""


def _service_killed(trial: Trial) -> None:
    trial.services[0].kill()


def _service_restarted(trial: Trial) -> None:
    trial.services[0].kill()
    trial.services[0].start()


def _service_stopped(trial: Trial) -> None:
    trial.services[0].terminate()


def _service_joins(trial: Trial) -> None:
    trial.services[1].start()


def _redis_killed(trial: Trial) -> None:
    trial.stack.redis_server.kill()
    trial.stack.redis_server.start()


def _redis_wiped(trial: Trial) -> None:
    with contextlib.closing(Redis.from_url(trial.stack.redis_admin)) as redis:
        redis.flushall()


def _redis_wiped_and_services_killed(trial: Trial) -> None:
    for service in trial.services:
        service.kill()
    _redis_wiped(trial)
    for service in trial.services:
        service.start()


def _broker_killed(trial: Trial) -> None:
    trial.stack.kafka_server.kill()
    trial.stack.kafka_server.start()


class Loss(NamedTuple):
    """A loss: its name, what does it, the fault of the first service that it needs.

    ``first``: how many services there are before.
    """

    name: str
    strike: Callable[[Trial], None]
    fault: str = ""
    first: int = 2


LOSSES: Final = (
    Loss("a second service joins and takes a partition", _service_joins, first=1),
    Loss("a service ends in order, the other goes on", _service_stopped),
    Loss("a service is killed, the other goes on", _service_killed),
    Loss("a service is killed and starts again, by the same name", _service_restarted),
    Loss(
        "a service dies in a transaction, the other goes on",
        lambda _: None,
        "in_transaction@60:kill",
    ),
    Loss("Redis is killed and starts again", _redis_killed),
    Loss(_WIPED, _redis_wiped),
    Loss(f"{_WIPED}, and all services with it", _redis_wiped_and_services_killed),
    Loss("the only broker is killed and starts again", _broker_killed),
)


class Figures(NamedTuple):
    """What a loss cost.

    Attributes:
        longest_s: the longest wait of an event on each partition, the longest first.
        restored_s: from the loss to the first risk from restored states on every partition; NaN
            where no states were lost.
        lost: events without a risk.
        doubled: risks that came again.
        events: all that were sent.
    """

    longest_s: Sequence[float]
    restored_s: float
    lost: int
    doubled: int
    events: int


def measure(loss: Loss, folder: Path, partitions: int = 2) -> Figures:
    """Runs a ward through a loss.

    Raises:
        RuntimeError: the services did not catch up, or lost states were not restored.
    """
    with LocalStack() as stack:
        variables = environment(
            stack, "recovery-", partitions=partitions, kafka_session_timeout_ms=6_000,
            states_seconds=_STATES_S,
        )  # fmt: skip
        settings = settings_of(variables)
        ensure_topics(settings)
        services = [
            ServiceProcess(
                {
                    **variables,
                    "STREAMER_INSTANCE": f"s{i}",
                    "STREAMER_FAULT": loss.fault * (i == 0),
                },
                folder / f"s{i}.log",
            )
            for i in range(2)
        ]
        with contextlib.ExitStack() as ends, contextlib.closing(Ward(settings)) as ward:
            for i, service in enumerate(services):
                ends.callback(service.stop)
                if i < loss.first:
                    service.start()
            ward.send(lambda: all(map(_has_taken, services[: loss.first])))
            began = time.monotonic()
            ward.send(lambda: time.monotonic() - began > _BEFORE_S)
            ward.catch_up()
            if loss.fault:
                ward.send(lambda: services[0].exit_code is not None)
            since = time.time()
            loss.strike(Trial(stack, services))
            ward.send(lambda: time.time() - since > _AFTER_S)  # partitions may move once more
            ward.catch_up()
            if loss.first == 1 and not _has_taken(services[1]):
                raise RuntimeError("the second service has taken nothing")
            waits, doubled = ward.waits()
        restored_s = math.nan
        if _WIPED in loss.name:
            restored_s = _restored_at(services, since, waits, partitions) - since
        after = [wait for wait in waits if wait.sent > since - 2]
        return Figures(
            sorted(map(partial(_longest_s, after), range(partitions)), reverse=True),
            restored_s,
            sum(math.isnan(wait.risk) for wait in waits),
            doubled,
            len(waits),
        )


def _longest_s(waits: Sequence[Wait], partition: int) -> float:
    """The longest wait of an event on a partition, in seconds."""
    return max(
        w.risk - w.sent for w in waits if w.partition == partition and not math.isnan(w.risk)
    )


def _has_taken(service: ServiceProcess) -> bool:
    return "partition taken" in service.log


def _restored_at(
    services: Sequence[ServiceProcess], since: float, waits: Sequence[Wait], partitions: int
) -> float:
    """When each partition had published a risk from restored states, the last of them.

    Raises:
        RuntimeError: a partition was not restored.
    """
    taken_at = [math.inf] * partitions
    for line in (line for service in services for line in service.log.splitlines()):
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "partition taken" and entry["restored"]:
            at = (epoch_ms(entry["timestamp"]) or 0) / 1000
            number = entry["partition"]
            taken_at[number] = min(taken_at[number], at if at > since else math.inf)
    if math.inf in taken_at:
        raise RuntimeError(f"not restored: {taken_at}")
    return max(
        min(w.risk for w in waits if w.partition == number and w.risk > taken_at[number])
        for number in range(partitions)
    )


def main() -> int:
    """Measures each loss and prints a table in Markdown; 1 if an event was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery_times", description=__doc__)
    parser.add_argument("--only", default="", help="only losses with this in their name")
    parser.add_argument("--partitions", type=int, default=2, help="of each topic (default: 2)")
    chosen = parser.parse_args()
    print(f"On {describe()}.\n\n{_HEAD}", flush=True)
    wrong = 0
    for loss in LOSSES:
        if chosen.only in loss.name:
            with tempfile.TemporaryDirectory() as folder:
                recovery = measure(loss, Path(folder), chosen.partitions)
            restored = "" if math.isnan(recovery.restored_s) else f"{recovery.restored_s:.1f} s"
            both_ends = [recovery.longest_s[0], recovery.longest_s[-1]]
            longest = ", ".join(f"{seconds:.2f} s" for seconds in both_ends)
            print(
                f"| {loss.name} | {longest} | {restored} | {recovery.lost} of "
                f"{recovery.events:,} | {recovery.doubled} |",
                flush=True,
            )
            wrong += recovery.lost + recovery.doubled
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
