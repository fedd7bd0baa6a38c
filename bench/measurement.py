"""One measurement: an engine works off a backlog; its output times it and is checked."""

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

from bench.engines import BenchEnv, Engine, processes_for, settings_for
from bench.loads import Backlog
from bench.reading import Tail
from bench.services import ServiceProcess

_START_DEADLINE_S: Final = 60.0
_WARM_UP_S: Final = 1.5  # first allocations, first transactions, all partitions fetched
# Most engines write in bursts, one a commit. Between the first messages of two bursts lies the
# work of whole commits; other moments would cut one. A pause this long separates bursts.
_PAUSE_S: Final = 0.08
_NO_PAUSE_S: Final = 1.5  # an engine without such pauses writes evenly: then any moment will do
_SILENCE_S: Final = 20.0  # an engine that commits by the second and writes nothing is stuck
_STAGE: Final = re.compile(r'vigil_stage_seconds_sum\{stage="(\w+)"\} (\S+)')
_OWNED: Final = re.compile(r"^vigil_partitions (\S+)", re.MULTILINE)


class MeasurementFailed(Exception):
    """An engine ended or got stuck; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one run.

    Attributes:
        events: events taken in while it was timed.
        seconds: by the clock.
        cpu_seconds: of all its processes and threads.
        resident_bytes: resident memory at the end, all processes.
        proportional_bytes: the same, pages shared with others counted by their share.
        missing: due risks that did not come, before the last that did.
        repeated: risks that came more than once.
        unexpected: risks that were not due.
        stages: the service's own timing, seconds by stage.
        risks: by (partition, offset) of the event.
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
        """Events for each second of processor time: the rate of a core that runs nothing else."""
        return self.events / self.cpu_seconds

    @property
    def is_exact(self) -> bool:
        """Whether there was exactly one risk for each event where one was due."""
        return not (self.missing or self.repeated or self.unexpected)


def measure(
    engine: Engine,
    env: BenchEnv,
    backlog: Backlog,
    prefix: str,
    window_s: float,
    n_processes: int = 1,
) -> Measurement:
    """Runs an engine until the backlog is done, or for ``window_s`` seconds.

    Timing begins after a warm-up, at a moment when output appears, and ends at another such moment.

    Raises:
        MeasurementFailed: it ended, wrote nothing for long, or was done before the timing began.
    """
    ports = [free_port() for _ in range(n_processes)]
    settings = settings_for(env, backlog, prefix)
    processes = processes_for(engine, env, backlog, prefix, ports)
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
            while not output.is_complete and end.at_s - begin.at_s < window_s:
                end = _mark(output, processes, watched)
            memory = [process.memory_full_info() for process in watched]
            stages = _stages(ports[0]) if engine.is_service else {}
        finally:
            for process in processes:
                if process.exit_code is None:
                    process.kill()  # uncommitted output does not count
        output.read_rest()
    if end.events == begin.events:
        raise MeasurementFailed("the backlog was done before the timing began: send more events")
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
    """The risks that an engine has written so far.

    Attributes:
        risks: by (partition, offset) of the event.
        events_before: ``events`` before the latest messages.
    """

    def __init__(self, tail: Tail, backlog: Backlog) -> None:
        self._tail = tail
        self._due = backlog.due
        self._offsets: list[list[int]] = [[] for _ in backlog.due]
        self.risks: dict[tuple[int, int], float] = {}
        self._ends = [0] * len(backlog.due)
        self._written_at = 0.0
        self.events_before = 0

    @property
    def events(self) -> int:
        """Events that are surely taken in: all up to the last with a risk."""
        return sum(self._ends)

    @property
    def is_complete(self) -> bool:
        """Whether the last risk of every partition has come."""
        return all(
            not len(due) or end > due[-1] for due, end in zip(self._due, self._ends, strict=True)
        )

    def wait(self, processes: Sequence[ServiceProcess], deadline_s: float) -> bool:
        """Waits for new messages; returns at once if the output is complete.

        Returns:
            Whether there was a pause before them.

        Raises:
            MeasurementFailed: nothing came, or a process ended.
        """
        give_up_at = time.monotonic() + deadline_s
        while not self.is_complete and not self._read():
            ended = [process for process in processes if process.exit_code is not None]
            if ended or time.monotonic() > give_up_at:
                event = "ended" if ended else f"wrote nothing for {deadline_s:.0f} s"
                raise MeasurementFailed(f"{event}: {(ended or processes)[0].log[-1500:]}")
        now = time.monotonic()
        was_quiet = now - self._written_at > _PAUSE_S
        self._written_at = now
        return was_quiet or self.is_complete

    def read_rest(self) -> None:
        """Reads until the end of the topic."""
        while not self._tail.at_end():
            self._read()

    def compare(self) -> tuple[int, int, int]:
        """Counts missing, repeated and unexpected risks, as far as the engine got."""
        missing = repeated = unexpected = 0
        for due, offsets, end in zip(self._due, self._offsets, self._ends, strict=True):
            seen, counts = np.unique(np.array(offsets, np.int64), return_counts=True)
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
            self._offsets[partition].append(offset)
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
    """Waits until a burst begins, or for ``_NO_PAUSE_S`` where output is even."""
    give_up_at = time.monotonic() + _NO_PAUSE_S
    while not output.wait(processes, _SILENCE_S) and time.monotonic() < give_up_at:
        pass
    times = [process.cpu_times() for process in watched]
    cpu_s = sum(t.user + t.system for t in times)
    return _Mark(time.monotonic(), cpu_s, output.events_before)


def _wait_until_shared(
    ports: Sequence[int], output: Output, processes: Sequence[ServiceProcess]
) -> None:
    """Waits until all services own as many partitions as each other."""
    give_up_at = time.monotonic() + _START_DEADLINE_S
    while len({_owned(port) for port in ports}) > 1:
        if time.monotonic() > give_up_at:
            raise MeasurementFailed("the services did not come to own equal numbers of partitions")
        output.wait(processes, _SILENCE_S)


def _owned(port: int) -> float:
    match = _OWNED.search(_metrics(port))
    return float(match[1]) if match else -1.0 - port  # not up yet: equal to no other


def _stages(port: int) -> dict[str, float]:
    return {stage: float(seconds) for stage, seconds in _STAGE.findall(_metrics(port))}


def _metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def free_port() -> int:
    """A TCP port of this machine that nothing uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
