"""A comparison of all engines on both loads, in turns, so that other programs disturb all alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from bench.engines import LIGHT, OURS, SAME, BenchEnv, Engine
from bench.loads import Backlog, Load, hourly, one_hertz, put
from bench.measurement import Measurement, MeasurementFailed, measure
from bench.services import environment, settings_of
from streamer.service.topics import ensure_topics

NOT_RUN: Final = "-"
_BEDS = 200
_STAYS = 2_000


@dataclass(frozen=True, slots=True)
class Extent:
    """Sizes of a comparison: ``FULL`` for the README, ``QUICK`` to see that it runs.

    Attributes:
        hourly_events: events of the hourly load.
        ward_events: events of the 1 Hz load.
        window_s: longest timing of one measurement, in seconds.
        repeats: measurements of each engine on each load.
        peers_until_s: seconds after which no peer is measured again.
        latency_s: seconds of the latency measurement at each rate.
        memory_stays: numbers of stays in one worker, for its memory.
        beds: numbers of beds at 1 Hz in one worker, for the cost of an event.
        beds_events: events of each of these loads.
    """

    hourly_events: int
    ward_events: int
    window_s: float
    repeats: int
    peers_until_s: float
    latency_s: float
    memory_stays: tuple[int, ...]
    beds: tuple[int, ...]
    beds_events: int


FULL = Extent(
    200_000, 400_000, 5.0, 2, 345.0, 20.0, (2_000, 10_000), (100, 1_000, 10_000, 20_000), 900_000
)
QUICK = Extent(60_000, 150_000, 1.5, 1, 150.0, 8.0, (4_000,), (100, 2_000), 300_000)


@dataclass(slots=True)
class Row:
    """One engine on one load: its measurements, or why there are none.

    Attributes:
        engine: the engine.
        measurements: one a repeat; without the risks, which are many.
        failure: why it was not measured any more; empty while it works.
        difference: the largest difference between its risks and ours for the same events.
    """

    engine: Engine
    measurements: list[Measurement] = field(default_factory=list)
    failure: str = ""
    difference: float = 0.0

    @property
    def per_cpu_second(self) -> float:
        """Events a CPU second, median of the measurements."""
        return float(np.median([one.per_cpu_second for one in self.measurements]))

    @property
    def per_second(self) -> float:
        """Events a second, median of the measurements."""
        return float(np.median([one.per_second for one in self.measurements]))

    @property
    def spread(self) -> float:
        """Half of the range of events a CPU second, as a share of the median."""
        rates = [one.per_cpu_second for one in self.measurements]
        return (max(rates) - min(rates)) / 2 / self.per_cpu_second


@dataclass(frozen=True, slots=True)
class Comparison:
    """All engines on one load; ``risks`` are ours, by (partition, offset)."""

    title: str
    rows: list[Row]
    risks: dict[tuple[int, int], float] = field(default_factory=dict, repr=False)

    def has_run(self, work: str) -> bool:
        """Whether all peers with this work were run, even if they failed."""
        return all(r.failure != NOT_RUN for r in self.rows if r.engine.work == work)

    @property
    def ours(self) -> Row:
        """The service's row."""
        return next(row for row in self.rows if row.engine is OURS)

    def best_peer(self, work: str, rate: Callable[[Row], float]) -> Row | None:
        """The peer with this work whose ``rate`` is highest; ``None`` if none ran."""
        ran = [
            row
            for row in self.rows
            if row.measurements and row.engine is not OURS and row.engine.work == work
        ]
        return max(ran, key=rate, default=None)


def backlogs(env: BenchEnv, extent: Extent) -> list[Backlog]:
    """Puts both loads into Kafka."""
    loads = [
        ("hourly-", Load("hourly replay", hourly(extent.hourly_events, _STAYS), 0.0)),
        ("ward-", Load("1 Hz ward", one_hertz(extent.ward_events, _BEDS), 60.0)),
    ]
    return [put_load(env, load, prefix) for prefix, load in loads]


def put_load(env: BenchEnv, load: Load, prefix: str) -> Backlog:
    """Puts one load into a topic of its own."""
    settings = settings_of(environment(env.stack, prefix))
    ensure_topics(settings)
    return put(load, settings)


def compare(
    env: BenchEnv,
    loads: Sequence[Backlog],
    extent: Extent,
    engines: Sequence[Engine] = (OURS, *SAME, *LIGHT),
) -> list[Comparison]:
    """Measures every engine on every load; an engine that fails on a load is not run on it again.

    Args:
        env: where and how processes are started.
        loads: the backlogs; the result has a comparison for each.
        extent: the sizes.
        engines: the engines to measure.
    """
    began = time.monotonic()
    comparisons = [
        Comparison(backlog.title, [_row(engine, backlog) for engine in engines])
        for backlog in loads
    ]
    for repeat in range(extent.repeats):
        for backlog, comparison in zip(loads, comparisons, strict=True):
            for row in comparison.rows:
                is_late = time.monotonic() - began > extent.peers_until_s
                if row.failure or (is_late and row.measurements and not row.engine.is_service):
                    continue
                _run(row, comparison, env, backlog, f"{repeat}-", extent)
                rate = (
                    f"{row.measurements[-1].per_cpu_second:,.0f}/CPU s"
                    if row.measurements
                    else row.failure
                )
                log_progress(f"{comparison.title}, {row.engine.name}: {rate}")
    return comparisons


def _row(engine: Engine, backlog: Backlog) -> Row:
    """Skips the light work where a risk is due once a minute: it is within a few percent there."""
    has_same_work = any(peer.module == engine.module for peer in SAME)
    if engine.work == "light" and has_same_work and backlog.interval_s > 0:
        return Row(engine, failure=NOT_RUN)
    return Row(engine)


def warm_up(env: BenchEnv, backlog: Backlog) -> None:
    """Runs a measurement that is thrown away: it warms the broker's JVM and the page cache."""
    try:
        measure(OURS, env, backlog, "warm-up-", window_s=2.0)
    except MeasurementFailed as error:
        log_progress(f"warm-up: {error}")


def log_progress(text: str) -> None:
    """Prints a line of progress to stderr, apart from the figures."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _run(
    row: Row,
    comparison: Comparison,
    env: BenchEnv,
    backlog: Backlog,
    turn: str,
    extent: Extent,
) -> None:
    engine = row.engine
    if engine.module in env.missing:
        row.failure = f"not installable: {env.missing[engine.module]}"
        return
    prefix = f"{backlog.topic}-{engine.module or 'vigil'}-{engine.work}-{turn}"
    try:
        done = measure(engine, env, backlog, prefix, extent.window_s)
    except MeasurementFailed as error:
        row.failure = f"failed: {error}"
        return
    row.measurements.append(replace(done, risks={}))
    if engine is OURS:
        comparison.risks.update(done.risks)
    both = done.risks.keys() & comparison.risks.keys()
    gaps = (abs(done.risks[event] - comparison.risks[event]) for event in both)
    row.difference = max(row.difference, max(gaps, default=0.0))
