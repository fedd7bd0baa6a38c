"""Counts of committed batches into the metrics; a batch counts once, after its commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sized

from streamer.service import metrics
from streamer.service.batch import Result
from streamer.service.losses import LOSSES
from streamer.service.source_clocks import CLOCKS
from streamer.service.takeover import Partition


def batch(results: Iterable[Result], clock: Callable[[], float] = time.time) -> None:
    """Counts a batch whose messages are out.

    Args:
        results: one for each model that scored a part of the batch.
        clock: epoch seconds.
    """
    now = clock()
    for result in results:
        metrics.EVENTS.inc(result.n_live)
        metrics.REPLAYED.inc(result.n_silent)
        metrics.LATE.inc(result.n_late)
        metrics.REDUNDANT.inc(result.n_redundant)
        metrics.RISKS.inc(result.n_risks)
        metrics.EVENT_AGE.observe("record", now - result.recorded_ms / 1000)
        metrics.EVENT_AGE.observe("measurement", now - result.measured_ms / 1000)
        for reason, count in result.rejected.items():
            metrics.REJECTED.labels(reason).inc(count)
        for problem, count in result.problems.items():
            metrics.VALUES_DROPPED.labels(problem).inc(count)
        LOSSES.count(result.losses)
        CLOCKS.take(result.sources, result.patients, result.recorded_ms, result.measured_ms)
        for partition, count in result.new_patients.items():
            metrics.NEW_PATIENTS.labels(str(partition)).inc(count)
        for (phase, severity), count in result.alerts.items():
            metrics.ALERTS.labels(phase, severity).inc(count)


def cache(stays: Sized, partitions: Mapping[int, Partition]) -> None:
    """Sets the gauges of stays in memory and of owned partitions, each by its number."""
    metrics.STAYS.set(len(stays))
    metrics.PARTITIONS.set(len(partitions))
    unsent, behind = {}, {}
    for number, partition in partitions.items():
        if partition.unsent is not None:
            unsent[str(number)] = len(partition.unsent)
            if (mark := partition.unsent.marked) is not None:
                behind[str(number)] = partition.position - mark.since
    metrics.STATES_UNSENT.set(unsent)
    metrics.STATES_BEHIND.set(behind)
    for number in partitions:  # a flood must not be what begins its series: no rate would see it
        metrics.NEW_PATIENTS.labels(str(number))
