"""Metrics of `trainer archive run` in one typed list, and the registry that is scraped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streamer.service.metrics import Kind, Metric
from trainer.archive.writer import TopicWriter

_TABLE: Final = ("table",)

LAG: Final = Metric(
    "vigil_archive_lag_records", Kind.GAUGE, "records", _TABLE, "Records not read yet."
)
WAITING: Final = Metric(
    "vigil_archive_commit_age_seconds",
    Kind.GAUGE,
    "seconds",
    _TABLE,
    "Time since the first record was read that is not committed yet, 0 when there is none.",
)
ROWS: Final = Metric("vigil_archive_rows_total", Kind.COUNTER, "rows", _TABLE, "Rows committed.")
CONFLICTS: Final = Metric(
    "vigil_archive_conflicts_total",
    Kind.COUNTER,
    "commits",
    _TABLE,
    "Commits that another process was ahead of; their records were read again.",
)
GAPS: Final = Metric(
    "vigil_archive_gaps_total",
    Kind.COUNTER,
    "gaps",
    _TABLE,
    "Times that Kafka had dropped records before they were read: stays of then never train.",
)
CATALOGUE: Final = [LAG, WAITING, ROWS, CONFLICTS, GAPS]

_FIGURES: Final[Mapping[str, Callable[[TopicWriter], float]]] = {
    LAG.name: lambda writer: writer.lag,
    WAITING.name: lambda writer: writer.uncommitted_s,
    ROWS.name: lambda writer: writer.n_rows,
    CONFLICTS.name: lambda writer: writer.n_conflicts,
    GAPS.name: lambda writer: writer.n_gaps,
}


class ArchiveFigures(Collector):
    """The figures of the writers, asked for at each scrape.

    Args:
        writers: by the table's name.
    """

    def __init__(self, writers: Mapping[str, TopicWriter]) -> None:
        self._writers = writers

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """See ``Collector``."""
        families = []
        for metric in CATALOGUE:
            kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = kind(metric.name, metric.sentence, labels=metric.labels)
            for table, writer in self._writers.items():
                family.add_metric([table], _FIGURES[metric.name](writer))
            families.append(family)
        return families


def registry_of(writers: Mapping[str, TopicWriter]) -> CollectorRegistry:
    """What is scraped of an archiver."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(ArchiveFigures(writers))
    return registry
