"""Prometheus collectors that take whole arrays, or replace all their label values at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class AgeHistogram(Collector):
    """A histogram of ages that takes arrays.

    One call for each observation would cost as much as decoding the event.

    Args:
        name: as it is scraped.
        sentence: the meaning of the figures.
        label: the name of the one label.
        values: the values of that label.
        bounds_s: upper bounds of the buckets, rising.
    """

    def __init__(
        self, name: str, sentence: str, label: str, values: Iterable[str], bounds_s: Iterable[float]
    ) -> None:
        self._name, self._sentence, self._label = name, sentence, label
        self._bounds_s = np.array([*bounds_s])
        nothing = np.zeros(len(self._bounds_s) + 1, np.int64)
        # A pair is replaced as a whole, so that a scrape from another thread sees one moment.
        self._seen = dict.fromkeys(values, (nothing, 0.0))

    def observe(self, value: str, ages_s: NDArray[np.float64]) -> None:
        """Adds ``(n,)`` observations, in seconds, under one value of the label."""
        counts, total_s = self._seen[value]
        buckets = np.searchsorted(self._bounds_s, ages_s)
        more = np.bincount(buckets, minlength=len(counts))
        self._seen[value] = (counts + more, total_s + float(ages_s.sum()))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """See ``Collector``."""
        family = HistogramMetricFamily(self._name, self._sentence, labels=[self._label])
        bounds = [*map(floatToGoString, self._bounds_s.tolist()), "+Inf"]
        for value, (counts, total_s) in self._seen.items():
            rising = np.cumsum(counts).tolist()
            family.add_metric([value], list(zip(bounds, rising, strict=True)), total_s)
        yield family


class LabelledGauge(Collector):
    """A gauge whose label values come and go; one that is gone leaves no series behind.

    Args:
        name: as it is scraped.
        sentence: the meaning of the figures.
        label: the name of the one label.
    """

    def __init__(self, name: str, sentence: str, label: str) -> None:
        self._name, self._sentence, self._label = name, sentence, label
        self._read: Callable[[], Mapping[str, float]] = dict

    def set(self, figures: Mapping[str, float]) -> None:
        """Replaces all figures by these, by the value of the label."""
        self._read = lambda: figures

    def set_function(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Calls ``figures`` at each scrape: for those that change with time."""
        self._read = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See ``Collector``."""
        family = GaugeMetricFamily(self._name, self._sentence, labels=[self._label])
        for value, figure in self._read().items():
            family.add_metric([value], figure)
        yield family
