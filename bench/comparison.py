"""All contestants on both loads, in turns, so that what else the machine does hits everybody."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from bench.contestants import LIGHT, OURS, SAME, BenchEnv, Contestant
from bench.loads import Backlog, Load, hourly, one_hertz, put
from bench.race import Measurement, MeasurementFailed, measure
from bench.services import environment, settings_of
from streamer.service.topics import ensure_topics

NOT_RUN: Final = "-"
_BEDS = 200
_STAYS = 2_000


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: ``FULL`` for the README, ``QUICK`` to see that it runs.

    Attributes:
        hourly_events: of the hourly load.
        ward_events: of the 1 Hz load.
        window_s: the longest timing of one lap.
        repeats: laps of each contestant on each load.
        peers_until_s: no further peer lap begins when the whole has taken this long.
        latency_s: seconds at each rate.
        crowd_stays: stays in one worker, for memory.
    """

    hourly_events: int
    ward_events: int
    window_s: float
    repeats: int
    peers_until_s: float
    latency_s: float
    crowd_stays: int


FULL = Extent(200_000, 400_000, 5.0, 2, 345.0, 20.0, 10_000)
QUICK = Extent(60_000, 150_000, 1.5, 1, 150.0, 8.0, 4_000)


@dataclass(slots=True)
class Row:
    """One contestant on one load: its laps, or why there are none.

    Attributes:
        contestant: who.
        laps: what was measured; without the risks, which are many.
        failure: why it was measured no further.
        difference: the largest one between its risks and ours for the same events.
    """

    contestant: Contestant
    laps: list[Measurement] = field(default_factory=list)
    failure: str = ""
    difference: float = 0.0

    @property
    def per_cpu_second(self) -> float:
        """Median of the laps' events a CPU second."""
        return float(np.median([measure.per_cpu_second for measure in self.laps]))

    @property
    def per_second(self) -> float:
        """Median of the laps' events a second."""
        return float(np.median([measure.per_second for measure in self.laps]))

    @property
    def spread(self) -> float:
        """Half of the range of the laps' events a CPU second, as a share of the median."""
        rates = [measure.per_cpu_second for measure in self.laps]
        return (max(rates) - min(rates)) / 2 / self.per_cpu_second


@dataclass(frozen=True, slots=True)
class Comparison:
    """All contestants on one load; ``risks`` are ours, by (partition, offset)."""

    title: str
    rows: list[Row]
    risks: dict[tuple[int, int], float] = field(default_factory=dict, repr=False)

    def has_run(self, work: str) -> bool:
        """Whether all peers with this work took part, if only to fail."""
        return all(r.failure != NOT_RUN for r in self.rows if r.contestant.work == work)

    @property
    def ours(self) -> Row:
        """The service's row."""
        return next(row for row in self.rows if row.contestant is OURS)

    def best_peer(self, work: str, rate: Callable[[Row], float]) -> Row | None:
        """The quickest peer with this work by some rate, if any ran."""
        ran = [
            row
            for row in self.rows
            if row.laps and row.contestant is not OURS and row.contestant.work == work
        ]
        return max(ran, key=rate, default=None)


def backlogs(bench_env: BenchEnv, extent: Extent) -> list[Backlog]:
    """Puts both loads into Kafka."""
    loads = [
        ("hourly-", Load("hourly replay", hourly(extent.hourly_events, _STAYS), 0.0)),
        ("ward-", Load("1 Hz ward", one_hertz(extent.ward_events, _BEDS), 60.0)),
    ]
    return [put_load(bench_env, load, prefix) for prefix, load in loads]


def put_load(bench_env: BenchEnv, load: Load, prefix: str) -> Backlog:
    """Puts one load into a topic of its own."""
    settings = settings_of(environment(bench_env.stack, prefix))
    ensure_topics(settings)
    return put(load, settings)


def compare(
    bench_env: BenchEnv,
    waiting: Sequence[Backlog],
    extent: Extent,
    contestants: Sequence[Contestant] = (OURS, *SAME, *LIGHT),
) -> list[Comparison]:
    """Runs the laps; a contestant that fails once on a load is out of it.

    Args:
        bench_env: what starts them.
        waiting: the backlogs; a comparison each.
        extent: how much.
        contestants: who takes part.
    """
    began = time.monotonic()
    comparisons = [
        Comparison(backlog.title, [_row(contestant, backlog) for contestant in contestants])
        for backlog in waiting
    ]
    for repeat in range(extent.repeats):
        for backlog, comparison in zip(waiting, comparisons, strict=True):
            for row in comparison.rows:
                is_late = time.monotonic() - began > extent.peers_until_s
                if row.failure or (is_late and row.laps and row.contestant is not OURS):
                    continue
                _run(row, comparison, bench_env, backlog, f"{repeat}-", extent)
                rate = f"{row.laps[-1].per_cpu_second:,.0f}/CPU s" if row.laps else row.failure
                say(f"{comparison.title}, {row.contestant.name}: {rate}")
    return comparisons


def _row(contestant: Contestant, backlog: Backlog) -> Row:
    """Where a risk is due once a minute both works are the same to a few percent: one is enough."""
    has_twin = any(peer.module == contestant.module for peer in SAME)
    if contestant.work == "light" and has_twin and backlog.interval_s > 0:
        return Row(contestant, failure=NOT_RUN)
    return Row(contestant)


def warm_up(place: BenchEnv, waiting: Backlog) -> None:
    """A lap that is thrown away: the broker's JVM and the page cache have their first time."""
    try:
        measure(OURS, place, waiting, "warm-up-", window_s=2.0)
    except MeasurementFailed as error:
        say(f"warm-up: {error}")


def say(what: str) -> None:
    """Shows where it is, apart from the figures."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _run(
    row: Row,
    comparison: Comparison,
    bench_env: BenchEnv,
    backlog: Backlog,
    turn: str,
    extent: Extent,
) -> None:
    who = row.contestant
    if who.module in bench_env.missing:
        row.failure = f"not installable: {bench_env.missing[who.module]}"
        return
    prefix = f"{backlog.topic}-{who.module or 'vigil'}-{who.work}-{turn}"
    try:
        done = measure(who, bench_env, backlog, prefix, extent.window_s)
    except MeasurementFailed as error:
        row.failure = f"failed: {error}"
        return
    row.laps.append(replace(done, risks={}))
    if who is OURS:
        comparison.risks.update(done.risks)
    both = done.risks.keys() & comparison.risks.keys()
    gaps = (abs(done.risks[place] - comparison.risks[place]) for place in both)
    row.difference = max(row.difference, max(gaps, default=0.0))
