"""One lap: a contestant works off a backlog, is timed by what it says, and is checked by it."""

from __future__ import annotations

import contextlib
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import orjson
import psutil

from bench.contestants import OURS, BenchEnv, Contestant, ready, settings_for
from bench.loads import Backlog
from bench.reading import Tail
from bench.services import ServiceProcess

_START_DEADLINE_S: Final = 60.0
_WARM_UP_S: Final = 1.5  # first allocations, first transactions, all partitions fetched
# Most contestants speak in bursts, one a commit. Between the first words of two bursts lies the
# work of whole commits; other moments would cut one. A pause this long tells bursts apart.
_PAUSE_S: Final = 0.08
_NO_PAUSE_S: Final = 1.5  # who never pauses so long speaks evenly: then any moment is as good
_SILENCE_S: Final = 20.0  # a contestant that commits by the second and says nothing is stuck
_STAGE: Final = re.compile(r'vigil_stage_seconds_sum\{stage="(\w+)"\} (\S+)')
_OWNED: Final = re.compile(r"^vigil_partitions (\S+)", re.MULTILINE)


class MeasurementFailed(Exception):
    """A contestant that ended or got stuck; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a lap came to.

    Attributes:
        events: taken in while it was timed.
        seconds: by the clock.
        cpu_seconds: of all its processes and threads.
        resident_bytes: at the end, all processes.
        proportional_bytes: the same, pages shared with others counted by their share.
        missing: risks that had to come and did not, before the last that did.
        repeated: risks that came more than once.
        unexpected: risks that nothing asked for.
        stages: the service's own timing, seconds by stage.
        risks: what was said, by the place (partition, offset) of the event.
    """

    events: int
    seconds: float
    cpu_seconds: float
    resident_bytes: int
    proportional_bytes: int
    missing: int
    repeated: int
    unexpected: int
    stages: dict[str, float]
    risks: dict[tuple[int, int], float] = field(repr=False)

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Events for each second of processor time: what a core does when nothing else runs."""
        return self.events / self.cpu_seconds

    @property
    def is_exact(self) -> bool:
        """Whether there was exactly one risk wherever one had to be."""
        return not (self.missing or self.repeated or self.unexpected)


def measure(
    contestant: Contestant,
    bench_env: BenchEnv,
    backlog: Backlog,
    prefix: str,
    window_s: float,
    n_processes: int = 1,
) -> Measurement:
    """Lets a contestant work until the backlog is done, or for some seconds.

    Timing begins when it has warmed up, at a moment when output appears, and ends at another.

    Raises:
        MeasurementFailed: it ended, or said nothing for long.
    """
    ports = [_free_port() for _ in range(n_processes)]
    settings = settings_for(bench_env, backlog, prefix)
    processes = ready(contestant, bench_env, backlog, prefix, ports)
    with contextlib.closing(Tail(settings, settings.topic_risk)) as tail:
        output = Output(tail, backlog)
        try:
            for process in processes:
                process.start()
            watched = [psutil.Process(process.pid) for process in processes]
            output.wait(processes, _START_DEADLINE_S)
            if n_processes > 1:
                _wait_until_shared(ports, output, processes)
            warm_at = time.monotonic() + min(_WARM_UP_S, window_s / 4)
            while time.monotonic() < warm_at:
                output.wait(processes, _SILENCE_S)
            begin = end = _mark(output, processes, watched)
            while not output.is_whole and end.at_s - begin.at_s < window_s:
                end = _mark(output, processes, watched)
            memory = [process.memory_full_info() for process in watched]
            stages = _stages(ports[0]) if contestant is OURS else {}
        finally:
            for process in processes:
                if process.ended is None:
                    process.kill()  # what is uncommitted is nobody's output
        output.read_rest()
    if end.events == begin.events:
        raise MeasurementFailed("the backlog was done before the timing began: give more events")
    missing, repeated, unexpected = output.compare()
    return Measurement(
        end.events - begin.events,
        end.at_s - begin.at_s,
        end.cpu_s - begin.cpu_s,
        sum(used.rss for used in memory),
        sum(used.pss for used in memory),
        missing,
        repeated,
        unexpected,
        stages,
        output.risks,
    )


class Output:
    """What a contestant has said so far, by the place of the event that caused it.

    Attributes:
        risks: by (partition, offset).
        events_before: what ``events`` was before the latest words.
    """

    def __init__(self, tail: Tail, backlog: Backlog) -> None:
        self._tail = tail
        self._due = backlog.due
        self._said: list[list[int]] = [[] for _ in backlog.due]
        self.risks: dict[tuple[int, int], float] = {}
        self._ends = [0] * len(backlog.due)
        self._spoke_at = 0.0
        self.events_before = 0

    @property
    def events(self) -> int:
        """How many events are surely taken in: all before the last that has spoken."""
        return sum(self._ends)

    @property
    def is_whole(self) -> bool:
        """Whether the last risk of every partition has come."""
        return all(
            not len(due) or end > due[-1] for due, end in zip(self._due, self._ends, strict=True)
        )

    def wait(self, processes: Sequence[ServiceProcess], deadline_s: float) -> bool:
        """Returns as soon as something new was said, or at once if all has been.

        Returns:
            Whether it was quiet before.

        Raises:
            MeasurementFailed: nothing came.
        """
        give_up_at = time.monotonic() + deadline_s
        while not self.is_whole and not self._read():
            ended = [process for process in processes if process.ended is not None]
            if ended or time.monotonic() > give_up_at:
                what = "ended" if ended else f"said nothing for {deadline_s:.0f} s"
                raise MeasurementFailed(f"{what}: {(ended or processes)[0].log[-1500:]}")
        now = time.monotonic()
        was_quiet = now - self._spoke_at > _PAUSE_S
        self._spoke_at = now
        return was_quiet or self.is_whole

    def read_rest(self) -> None:
        """Takes in what was said until the end."""
        while not self._tail.at_end():
            self._read()

    def compare(self) -> tuple[int, int, int]:
        """Returns how many risks are missing, repeated and unexpected, as far as it got."""
        missing = repeated = unexpected = 0
        for due, said, end in zip(self._due, self._said, self._ends, strict=True):
            seen, counts = np.unique(np.array(said, np.int64), return_counts=True)
            expected = due[due < end]
            missing += len(np.setdiff1d(expected, seen))
            unexpected += len(np.setdiff1d(seen, expected))
            repeated += int((counts - 1).sum())
        return missing, repeated, unexpected

    def _read(self) -> bool:
        records = self._tail.poll()
        if records:
            self.events_before = self.events
        for record in records:
            message = orjson.loads(record.value)
            partition, offset = message["partition"], message["offset"]
            self._said[partition].append(offset)
            self.risks[partition, offset] = message["risk"]
            self._ends[partition] = max(self._ends[partition], offset + 1)
        return bool(records)


@dataclass(frozen=True, slots=True)
class _Mark:
    at_s: float
    cpu_s: float
    events: int


def _mark(
    output: Output, processes: Sequence[ServiceProcess], watched: Sequence[psutil.Process]
) -> _Mark:
    """Waits until a burst begins, or long enough to know that there are none."""
    give_up_at = time.monotonic() + _NO_PAUSE_S
    while not output.wait(processes, _SILENCE_S) and time.monotonic() < give_up_at:
        pass
    times = [process.cpu_times() for process in watched]
    cpu_s = sum(t.user + t.system for t in times)
    return _Mark(time.monotonic(), cpu_s, output.events_before)


def _wait_until_shared(
    ports: Sequence[int], output: Output, processes: Sequence[ServiceProcess]
) -> None:
    """Waits until each of several services has its share of the partitions."""
    give_up_at = time.monotonic() + _START_DEADLINE_S
    while len({_owned(port) for port in ports}) > 1:
        if time.monotonic() > give_up_at:
            raise MeasurementFailed("the services never had as many partitions as each other")
        output.wait(processes, _SILENCE_S)


def _owned(port: int) -> float:
    found = _OWNED.search(_metrics(port))
    return float(found[1]) if found else -1.0 - port  # not up yet: like nobody else


def _stages(port: int) -> dict[str, float]:
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(_metrics(port))}


def _metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
