"""Every figure that the service exposes, in one typed list, each with a sentence."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()


def _counter(name: str, sentence: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(f"vigil_{name}", sentence, labels, registry=REGISTRY)


def _gauge(name: str, sentence: str, labels: tuple[str, ...] = ()) -> Gauge:
    return Gauge(f"vigil_{name}", sentence, labels, registry=REGISTRY)


# From a batch of one event to a re-warm of ten thousand stays.
_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

EVENTS: Final = _counter("events_total", "Events taken, once each.")
REJECTED: Final = _counter("rejected_total", "Events put on the rejected topic.", ("reason",))
VALUES_DROPPED: Final = _counter("values_dropped_total", "Values made missing.", ("reason",))
REPLAYED: Final = _counter("replayed_total", "Events replayed into states, without output.")
RISKS: Final = _counter("risks_total", "Risk messages written.")
ALERTS: Final = _counter("alerts_total", "Alert messages written.", ("phase",))
INTERRUPTED: Final = _counter("interrupted_total", "Transactions that did not go through.")
FENCED: Final = _counter("fenced_total", "Saves refused because another process owns the states.")
REBALANCES: Final = _counter("rebalances_total", "Changes of the partitions owned.")
REWARMED: Final = _counter("rewarmed_total", "Stays moved to a new model.")
STAYS: Final = _gauge("stays", "Stays held in this process.")
PARTITIONS: Final = _gauge("partitions", "Input partitions owned.")
LAG: Final = _gauge("lag_seconds", "Age of the newest record taken, by its timestamp.")
MODEL: Final = _gauge("model_info", "1 for the model in force.", ("model",))
STAGE: Final = Histogram(
    "vigil_stage_seconds",
    "Time that a batch spends in each stage.",
    ("stage",),
    buckets=_BUCKETS,
    registry=REGISTRY,
)
