"""Metrics of the canary in one typed list, and the registry that they are scraped from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from streamer.canary.probes import Outcome, Step
from streamer.canary.watch import Verdict
from streamer.service.collectors import LabelledGauge
from streamer.service.metrics import Kind, Metric

TOTAL: Final = Metric(
    "vigil_canary_total",
    Kind.COUNTER,
    "canaries",
    ("partition", "outcome"),
    "Canaries by how they ended: `ok`, `late`, `wrong` or `lost`.",
)
SECONDS: Final = Metric(
    "vigil_canary_seconds",
    Kind.HISTOGRAM,
    "seconds",
    ("step",),
    "Time until a canary's risk, the start and the end of its alert were heard.",
)
LAST_SUCCESS: Final = Metric(
    "vigil_canary_last_success_timestamp_seconds",
    Kind.GAUGE,
    "seconds since 1970",
    ("partition",),
    "When all of a canary was last heard as it should be; at first when the canary began.",
)
CATALOGUE: Final = [TOTAL, SECONDS, LAST_SUCCESS]

# From a transaction of an idle service to a canary that is all but lost.
_BOUNDS_S: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Series:
    """The figures of one canary process.

    Attributes:
        registry: what is scraped.
        last_success: seconds since 1970, by partition.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._total = Counter(
            TOTAL.name, TOTAL.sentence, list(TOTAL.labels), registry=self.registry
        )
        self._seconds = Histogram(
            SECONDS.name,
            SECONDS.sentence,
            list(SECONDS.labels),
            buckets=_BOUNDS_S,
            registry=self.registry,
        )
        for step in Step:
            self._seconds.labels(step)
        self.last_success: dict[int, float] = {}
        gauge = LabelledGauge(LAST_SUCCESS.name, LAST_SUCCESS.sentence, "partition")
        gauge.set_function(lambda: {str(p): at for p, at in dict(self.last_success).items()})
        self.registry.register(gauge)

    def watch(self, partitions: Iterable[int], wall_s: float) -> None:
        """Begins the series of partitions: a rate needs no first event, and silence has a start."""
        for partition in partitions:
            if partition not in self.last_success:
                self.last_success[partition] = wall_s
                for outcome in Outcome:
                    self._total.labels(str(partition), outcome)

    def count(self, verdict: Verdict, wall_s: float) -> None:
        """Counts how a canary ended."""
        self._total.labels(str(verdict.partition), verdict.outcome).inc()
        for step, seconds in verdict.seconds.items():
            self._seconds.labels(step).observe(seconds)
        if verdict.outcome in (Outcome.OK, Outcome.LATE):
            self.last_success[verdict.partition] = wall_s
