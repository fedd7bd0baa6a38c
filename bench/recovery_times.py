"""Delay of risks after each loss: a steady ward, one loss, the longest wait of an event.

    python -m bench.recovery_times

An event is sent every 0.2 s on each of two partitions. Its wait is the time from its record to that
of its risk, as Kafka stamps both. What is lost comes back at once, as a supervisor would bring it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kafka import KafkaProducer
from redis import Redis

from bench.machine import describe
from bench.reading import read_partition
from bench.services import ServiceProcess, environment, settings_of
from streamer.local import LocalStack
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics

_PARTITIONS: Final = 2
_EVERY_S: Final = 0.2
_BEFORE_S: Final = 6.0
_DEADLINE_S: Final = 120.0
_STEP_MS: Final = 61_000  # of event time: each event is a new evaluation
_FROM_MS: Final = 1_700_000_000_000


class Trial(NamedTuple):
    """What a loss may take away: two services, a Kafka and a Redis of its own."""

    stack: LocalStack
    services: list[ServiceProcess]


class Ward:
    """One patient on each partition, with an event every 0.2 s."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = KafkaProducer(**settings.kafka_connection(), linger_ms=0)
        self._n = 0

    def send(self, until: Callable[[], bool]) -> None:
        """Sends at an even pace until a condition holds.

        Raises:
            RuntimeError: it does not within two minutes.
        """
        give_up_at = time.monotonic() + _DEADLINE_S
        while not until():
            if time.monotonic() > give_up_at:
                raise RuntimeError("the service did not catch up")
            for partition in range(_PARTITIONS):
                patient = f"steady-{partition}"
                content = {
                    "patient_id": patient,
                    "time": _FROM_MS + self._n * _STEP_MS,
                    "values": {"heart_rate": 80},
                }
                self._producer.send(
                    self._settings.topic_vitals, json.dumps(content).encode(), patient.encode(),
                    partition=partition,
                )  # fmt: skip
            self._n += 1
            time.sleep(_EVERY_S)
        self._producer.flush(_DEADLINE_S)

    def close(self) -> None:
        """Closes the connection."""
        self._producer.close()


def _nothing(_: Trial) -> None:
    """The fault of the first service is the loss."""


def _service_killed(trial: Trial) -> None:
    trial.services[0].kill()


def _service_restarted(trial: Trial) -> None:
    trial.services[0].kill()
    trial.services[0].start()


def _service_stopped(trial: Trial) -> None:
    trial.services[0].terminate()


def _redis_killed(trial: Trial) -> None:
    trial.stack.redis_server.kill()
    trial.stack.redis_server.start()


def _redis_wiped(trial: Trial) -> None:
    with contextlib.closing(Redis.from_url(trial.stack.redis_admin)) as redis:
        redis.flushall()


def _broker_killed(trial: Trial) -> None:
    trial.stack.kafka_server.kill()
    trial.stack.kafka_server.start()


class Loss(NamedTuple):
    """A loss: its name, what does it, and the fault of the first service that it needs."""

    name: str
    strike: Callable[[Trial], None]
    fault: str = ""


LOSSES: Final = (
    Loss("a service ends in order, the other goes on", _service_stopped),
    Loss("a service is killed, the other goes on", _service_killed),
    Loss("a service is killed and starts again", _service_restarted),
    Loss(
        "a service dies in a transaction, the other goes on",
        lambda _: None,
        "in_transaction@60:kill",
    ),
    Loss("Redis is killed and starts again", _redis_killed),
    Loss("Redis loses everything", _redis_wiped),
    Loss("the only broker is killed and starts again", _broker_killed),
)


def longest_wait_s(loss: Loss, folder: Path) -> float:
    """Runs a ward through a loss; returns the longest wait of an event on any partition.

    Raises:
        RuntimeError: the services did not catch up.
    """
    with LocalStack() as stack:
        variables = environment(
            stack, "recovery-", partitions=_PARTITIONS, kafka_session_timeout_ms=6_000
        )
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
            for service in services:
                ends.callback(service.stop)
                service.start()
            ward.send(lambda: all("partition taken" in service.log for service in services))
            began = time.monotonic()
            ward.send(lambda: time.monotonic() - began > _BEFORE_S)
            if loss.fault:
                ward.send(lambda: services[0].exit_code is not None)
            since = time.time()
            loss.strike(Trial(stack, services))
            ward.send(lambda: time.time() - since > 2 and _is_done(settings, since + 1))
            ward.send(lambda: time.time() - since > 30)  # partitions may move once more
            ward.send(lambda: _is_done(settings, time.time() - 2))
            return max(wait for at, wait in _waits(settings) if at > since - 2)


def _is_done(settings: Settings, until: float) -> bool:
    """Whether each partition has a risk for an event that was sent since a time."""
    newest = [max((at for at, _ in _waits(settings, p)), default=0.0) for p in range(_PARTITIONS)]
    return min(newest) > until


def _waits(settings: Settings, *partitions: int) -> Iterator[tuple[float, float]]:
    """When each event was sent, in epoch seconds, and how long its risk took."""
    for partition in partitions or range(_PARTITIONS):
        sent = {
            record.offset: record.timestamp / 1000
            for records in read_partition(settings, settings.topic_vitals, partition)
            for record in records
        }
        for records in read_partition(settings, settings.topic_risk, partition):
            for record in records:
                at = sent.get(json.loads(record.value)["offset"])
                if at is not None:
                    yield at, record.timestamp / 1000 - at


def main() -> int:
    """Measures each loss and prints a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery_times", description=__doc__)
    parser.add_argument("--only", default="", help="only losses with this in their name")
    only = parser.parse_args().only
    print(f"On {describe()}.\n\n| loss | longest wait of an event |\n|---|---|", flush=True)
    for loss in LOSSES:
        if only in loss.name:
            with tempfile.TemporaryDirectory() as folder:
                print(f"| {loss.name} | {longest_wait_s(loss, Path(folder)):.1f} s |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
