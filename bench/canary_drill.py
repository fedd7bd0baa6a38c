"""A drill of the canary on real servers: what goes wrong, how soon it is found, when it is over.

    python -m bench.canary_drill [--day]

A Kafka, a Redis and two services of its own, two partitions, and a canary each ten seconds in place
of a minute. Each fault lasts until it is found on each partition; then it is mended, and canaries
must be `ok` again. At last a day's canaries are sent at once, and nothing of them may be left; with
`--day` that alone is done. Ends with 1 if a fault is not found within three periods, or not over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.machine import describe
from bench.services import ServiceProcess, environment, running, settings_of
from streamer.adapters.redis.client import Client, connect
from streamer.bundles import known_risks
from streamer.canary import bootstrap
from streamer.canary.golden import golden_stay
from streamer.canary.series import Series
from streamer.canary.watch import Verdict
from streamer.core.canary import canary_id
from streamer.local import LocalStack
from streamer.process.logs import silenced
from streamer.service.bootstrap import model_library
from streamer.service.topics import ensure_topics

_PARTITIONS: Final = 2
_PERIOD_S: Final = 10.0
_LATE_S: Final = 3.0
_DEADLINE_S: Final = 120.0
_LOOK_S: Final = 0.1
_A_DAY: Final = 1440  # canaries of a partition, one a minute


class Trial(NamedTuple):
    """What a fault may take away."""

    stack: LocalStack
    services: list[ServiceProcess]


@contextmanager
def _frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _services_killed(trial: Trial) -> Iterator[None]:
    for service in trial.services:
        service.kill()
    yield
    for service in trial.services:
        service.start()


@contextmanager
def _broker_killed(trial: Trial) -> Iterator[None]:
    trial.stack.kafka_server.kill()
    yield
    trial.stack.kafka_server.start()


@contextmanager
def _redis_killed(trial: Trial) -> Iterator[None]:
    trial.stack.redis_server.kill()
    yield
    trial.stack.redis_server.start()


FAULTS: Final[dict[str, Callable[[Trial], contextlib.AbstractContextManager[None]]]] = {
    "both services frozen": lambda t: _frozen(*(service.pid for service in t.services)),
    "both services killed, nobody owns a partition": _services_killed,
    "Redis killed": _redis_killed,
    "Redis frozen": lambda t: _frozen(t.stack.redis_server.pid),
    "broker frozen": lambda t: _frozen(t.stack.kafka_server.pid),
    "broker killed": _broker_killed,
}


class Canary:
    """A canary in a thread of this process, and how its probes ended."""

    def __init__(self, variables: dict[str, str]) -> None:
        settings = settings_of(variables)
        self._verdicts: list[tuple[float, Verdict]] = []
        self._log = bootstrap.log_of(settings)
        process = bootstrap.process_of(
            settings, self._log, Series(), lambda v: self._verdicts.append((time.monotonic(), v))
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=process.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def wait(self, is_ok: bool, since: float) -> float | None:
        """Waits until each partition had a probe that is ok, or is not; returns the seconds."""
        while time.monotonic() < since + _DEADLINE_S:
            at: dict[int, float] = {}
            for when, verdict in list(self._verdicts):
                if when >= since and (verdict.outcome == "ok") == is_ok:
                    at.setdefault(verdict.partition, when - since)
            if len(at) == _PARTITIONS:
                return max(at.values())
            time.sleep(_LOOK_S)
        return None

    def outcomes(self, since: float) -> str:
        """How probes have ended since a time."""
        ended = Counter(str(v.outcome) for when, v in list(self._verdicts) if when >= since)
        return ", ".join(f"{n} {outcome}" for outcome, n in sorted(ended.items()))

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(_DEADLINE_S)
        self._log.close()


def main() -> None:
    """Goes through all faults and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.canary_drill")
    parser.add_argument("--day", action="store_true", help="only a day's canaries at once")
    faults = {} if parser.parse_args().day else FAULTS
    print(f"A canary each {_PERIOD_S:g} s on {_PARTITIONS} partitions, on {describe()}.\n")
    print("| what goes wrong | found after | ended | ok again after |\n|---|---|---|---|")
    is_good = True
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder, silenced():
        variables = environment(
            stack, "drill-", partitions=_PARTITIONS, canary_seconds=_PERIOD_S,
            canary_late_seconds=_LATE_S, save_seconds=1,
        )  # fmt: skip
        ensure_topics(settings_of(variables))
        services = [
            ServiceProcess(variables | {"STREAMER_INSTANCE": name}, Path(folder) / f"{name}.log")
            for name in ("a", "b")
        ]
        trial = Trial(stack, services)
        with running(services):
            with contextlib.closing(Canary(variables)) as canary:
                if canary.wait(is_ok=True, since=time.monotonic()) is None:
                    sys.exit("the canaries are not ok at the beginning")
                for name, fault in faults.items():
                    began = time.monotonic()
                    with fault(trial):
                        after_s = canary.wait(is_ok=False, since=began)
                    mended = time.monotonic()
                    over_s = canary.wait(is_ok=True, since=mended)
                    is_good &= over_s is not None and (after_s or _DEADLINE_S) < 3 * _PERIOD_S
                    cells = (name, _shown(after_s), canary.outcomes(began), _shown(over_s))
                    print(f"| {' | '.join(cells)} |", flush=True)
            is_good &= _a_day(variables)
    sys.exit(0 if is_good else 1)


def _a_day(variables: dict[str, str]) -> bool:
    """Sends a day's canaries at once; says whether all are heard and nothing is left in Redis."""
    settings = settings_of(variables)
    library = model_library(settings)
    stay = golden_stay(
        library.in_force(),
        known_risks.parse(library.bundle_of(library.in_force()).known),
        settings.interval_ms,
    )
    with (
        contextlib.closing(connect(settings.redis)) as redis,
        contextlib.closing(bootstrap.log_of(settings)) as log,
    ):
        before, n_partitions = _fields(redis), log.widths().vitals
        now_ms = round(time.time() * 1000)
        for minute in range(_A_DAY):
            for partition in range(n_partitions):
                patient = canary_id("day", 0, partition)
                events = [json.dumps(event).encode() for event in stay.events(patient, now_ms)]
                log.send(patient.encode(), events, b"00-%032x-%016x-01" % (minute + 1, 1))
        wanted, heard = _A_DAY * n_partitions, Counter[str]()
        give_up_at = time.monotonic() + _DEADLINE_S
        while heard["end"] < wanted and time.monotonic() < give_up_at:
            for record in log.poll(_LOOK_S):
                if record.kind == "alert" and canary_id("day", 0, 0)[:-1].encode() in (
                    record.key or b""
                ):
                    heard[json.loads(record.value or b"{}").get("phase", "")] += 1
        while _fields(redis) != before and time.monotonic() < give_up_at:
            time.sleep(_LOOK_S)  # until all is saved
        after = _fields(redis)
    print(
        f"\nA day's {wanted:,} canaries at once: heard {heard['start']:,} starts and "
        f"{heard['end']:,} ends; keys and fields in Redis {before} before, {after} after."
    )
    return heard == {"start": wanted, "end": wanted} and before == after


def _fields(redis: Client) -> tuple[int, int]:
    """Keys, and fields of all hashes: states and homes have one for each patient."""
    keys: list[bytes] = list(redis.scan_iter("*"))
    hashes = [key for key in keys if redis.type(key) == b"hash"]
    counts: list[Any] = [redis.hlen(key) for key in hashes]
    return len(keys), sum(counts)


def _shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
