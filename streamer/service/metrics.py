"""Metrics of the service in one typed list, each with its unit and a sentence.

`CATALOGUE` is that list; the constants are the counters and gauges themselves. Labels have few
values: those that are known beforehand exist from the start, so that a rate needs no first event;
`partition` and `model` come and go with the partitions and models of the process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from streamer.core.alerts import SEVERITIES, Phase
from streamer.core.reasons import Reason, Refusal, ValueProblem
from streamer.service.collectors import AgeHistogram, LabelledGauge


class Kind(StrEnum):
    """Types of a metric, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Stage(StrEnum):
    """Stages of a round of the loop, in order; `wake` loads evicted stays."""

    POLL = "poll"
    DECODE = "decode"
    WAKE = "wake"
    SCORE = "score"
    WRITE = "write"
    TRANSACTION = "transaction"
    ENCODE = "encode"
    SAVE = "save"


class Waiting(StrEnum):
    """Dependencies that the whole service can wait for."""

    ASSIGNMENT = "assignment"
    LOG = "log"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the list: the name as it is scraped, type, unit, labels and meaning."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    sentence: str


CATALOGUE: Final[list[Metric]] = []
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
disable_created_metrics()  # type: ignore[no-untyped-call]  # would double the series

_Labelled = TypeVar("_Labelled", Counter, Gauge, Histogram)


def _listed(
    name: str, kind: Kind, unit: str, sentence: str, *labels: str
) -> tuple[str, str, tuple[str, ...]]:
    metric = Metric(f"vigil_{name}", kind, unit, labels, sentence)
    CATALOGUE.append(metric)
    return metric.name, sentence, labels


def _from_the_start(metric: _Labelled, labels: Mapping[str, Iterable[str]]) -> _Labelled:
    if labels:
        for values in itertools.product(*labels.values()):
            metric.labels(*values)
    return metric


def _counter(name: str, unit: str, sentence: str, **labels: Iterable[str]) -> Counter:
    listed = _listed(name, Kind.COUNTER, unit, sentence, *labels)
    return _from_the_start(Counter(*listed, registry=REGISTRY), labels)


def _gauge(name: str, unit: str, sentence: str, **labels: Iterable[str]) -> Gauge:
    listed = _listed(name, Kind.GAUGE, unit, sentence, *labels)
    return _from_the_start(Gauge(*listed, registry=REGISTRY), labels)


def _labelled_gauge(name: str, unit: str, sentence: str, label: str = "partition") -> LabelledGauge:
    _listed(name, Kind.GAUGE, unit, sentence, label)
    figures = LabelledGauge(f"vigil_{name}", sentence, label)
    REGISTRY.register(figures)
    return figures


def _age_histogram(name: str, sentence: str, label: str, values: Iterable[str]) -> AgeHistogram:
    _listed(name, Kind.HISTOGRAM, "seconds", sentence, label)
    ages = AgeHistogram(f"vigil_{name}", sentence, label, values, _AGE_BOUNDS_S)
    REGISTRY.register(ages)
    return ages


def _stages(name: str, sentence: str) -> Histogram:
    listed = _listed(name, Kind.HISTOGRAM, "seconds", sentence, "stage")
    stages = Histogram(*listed, buckets=_STAGE_BOUNDS_S, registry=REGISTRY)
    return _from_the_start(stages, {"stage": Stage})


# From the latency of a live event to a late laboratory result and the backlog of an outage.
_AGE_BOUNDS_S: Final = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 21_600, 86_400, 172_800,
)  # fmt: skip
# From a batch of one event to a re-warm of ten thousand stays.
_STAGE_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

# Events, and what became of them.
EVENTS: Final = _counter("events_total", "events", "Events processed, each counted once.")
REJECTED: Final = _counter(
    "rejected_total", "events", "Events put on the rejected topic.", reason=Reason
)
VALUES_DROPPED: Final = _counter(
    "values_dropped_total",
    "values",
    "Values made missing, or taken at their limit.",
    reason=ValueProblem,
)
OTHER_VARIABLE: Final = "other"
VALUES_LOST: Final = _counter(
    "values_lost_total",
    "values",
    "The same by variable or particular of an admission; `other` is none of them.",
    variable=(OTHER_VARIABLE,),  # a variable that loses nothing needs no series
)
NEW_PATIENTS: Final = _counter(
    "new_patients_total",
    "patients",
    "Patients of whom nothing was known; a partition that went elsewhere stands still.",
    partition=(),
)
LATE: Final = _counter("late_total", "events", "Observations of an hour that was closed already.")
REDUNDANT: Final = _counter(
    "redundant_total",
    "events",
    "Observations that changed nothing: duplicates, or overtaken within their hour.",
)
REPLAYED: Final = _counter(
    "replayed_total", "events", "Events that changed states without messages."
)
RISKS: Final = _counter("risks_total", "messages", "Risk messages written.")
ALERTS: Final = _counter(
    "alerts_total",
    "messages",
    "Alert messages written.",
    phase=[phase.name.lower() for phase in Phase if phase],
    severity=SEVERITIES[1:],
)

# How late the service is, and where its time goes.
LAG_RECORDS: Final = _labelled_gauge("lag_records", "records", "Records not read yet.")
LAG_SECONDS: Final = _labelled_gauge(
    "lag_seconds",
    "seconds",
    "Age of the newest record read while more are left, 0 when none is known to be left.",
)
EVENT_AGE: Final = _age_histogram(
    "event_age_seconds",
    "Age of events when their messages were committed, since their record or their measurement.",
    "since",
    ("record", "measurement"),
)
SOURCE_BEHIND: Final = _labelled_gauge(
    "source_behind_seconds",
    "seconds",
    "Median time from measurement to record in the last 20 observations of a source.",
    label="source",
)
STAGE: Final = _stages(
    "stage_seconds", "Time that a round of the loop spends in each stage; `poll` includes waiting."
)

# What the process holds.
STAYS: Final = _gauge("stays", "stays", "Stays held in memory.")
STAYS_REMOVED: Final = _counter(
    "stays_removed_total", "stays", "Stays expired after 15 days without an event."
)
PARTITIONS: Final = _gauge("partitions", "partitions", "Input partitions owned.")
STAYS_DAMAGED: Final = _counter(
    "stays_damaged_total",
    "stays",
    "Stored stays that could not be read; their patients begin anew.",
)
MODEL: Final = _labelled_gauge("model_info", "1", "1 for the model in force.", "model")
MODEL_REFUSED: Final = _labelled_gauge(
    "model_refused",
    "0 or 1",
    "Whether the published model is refused, and the one before it stays in force.",
    "reason",
)
MODELS_REFUSED: Final = _counter(
    "models_refused_total", "bundles", "Published bundles that were refused.", reason=Refusal
)
REWARMED: Final = _counter("rewarmed_total", "stays", "Stays moved to a new model.")

# What goes wrong, and how far it is mended.
READY: Final = _gauge("ready", "0 or 1", "Whether the service does all of its work.")
WAITING: Final = _gauge("waiting", "0 or 1", "Whether the whole service waits.", on=Waiting)
REFUSED: Final = _labelled_gauge(
    "partition_refused", "0 or 1", "Whether the partition is blocked and waits for a decision."
)
REBUILD_LEFT: Final = _labelled_gauge(
    "rebuild_left_records", "records", "Records until lost states are rebuilt."
)
REBUILD_DONE: Final = _labelled_gauge(
    "rebuild_done_ratio", "ratio", "Share of the rebuild that is done."
)
STAYS_RESTORED: Final = _counter(
    "stays_restored_total", "stays", "Stays copied from the topic of states to the store."
)
STATES_SENT: Final = _counter(
    "states_sent_total", "stays", "Stays sent to the topic of states, ended ones too."
)
STATES_SENT_BYTES: Final = _counter(
    "states_sent_bytes_total", "bytes", "Bytes of stays sent to the topic of states."
)
STATES_UNSENT: Final = _labelled_gauge(
    "states_unsent", "stays", "Stays that the topic of states does not have as they are."
)
STATES_BEHIND: Final = _labelled_gauge(
    "states_behind_records",
    "records",
    "Records that would be replayed if states were lost now; none before the first mark.",
)
LOOP_AGE: Final = _gauge("loop_age_seconds", "seconds", "Time since the loop last moved.")
INTERRUPTED: Final = _counter(
    "interrupted_total", "transactions", "Transactions that did not go through."
)
TRANSACTIONS_FAILED: Final = _gauge(
    "transactions_failed", "transactions", "Transactions that have failed since one went through."
)
TOPICS_LEFT_OUT: Final = _gauge(
    "topics_left_out", "topics", "Canary topics that get nothing: no right to write, or missing."
)
FENCED: Final = _counter(
    "fenced_total", "saves", "Saves refused because another process owns the states."
)
REBALANCES: Final = _counter("rebalances_total", "changes", "Changes of the partitions owned.")
