"""Counters and histograms for what happens with every request, at a tenth of the library's cost.

A metric of `prometheus_client` takes a lock, and checks its labels, at every change. These are for one thread, such as
the event loop's; the library reads them when it is asked for all metrics, like any other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class CounterTally(Collector):
    """Counts by label values: `tasks["rest", "done"] += 1`. The name is written without `_total`."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._named = (name, documentation)
        self._labels = labels
        self.counts: defaultdict[Labels, int] = defaultdict(int)
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """The metric without its samples: the registry refuses a name that is taken."""
        return [CounterMetricFamily(*self._named, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """The metric as it stands."""
        family = CounterMetricFamily(*self._named, labels=self._labels)
        for labels, count in list(self.counts.items()):
            family.add_metric(labels, count)
        return [family]


class HistogramTally(Collector):
    """Distributions by label values, over buckets whose upper bounds rise; the last one is infinite by itself."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._named = (name, documentation)
        self._labels = labels
        self._bounds = list(buckets)
        self._rows: dict[Labels, list[int]] = {}
        self._sums: defaultdict[Labels, float] = defaultdict(float)
        registry.register(self)

    def observe(self, labels: Labels, amount: float) -> None:
        """Take in one observation."""
        row = self._rows.get(labels)
        if row is None:
            row = self._rows[labels] = [0] * (len(self._bounds) + 1)
        row[bisect_left(self._bounds, amount)] += 1
        self._sums[labels] += amount

    def describe(self) -> Iterable[Metric]:
        """The metric without its samples: the registry refuses a name that is taken."""
        return [HistogramMetricFamily(*self._named, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """The metric as it stands."""
        family = HistogramMetricFamily(*self._named, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, row in list(self._rows.items()):
            family.add_metric(labels, list(zip(names, accumulate(row), strict=True)), self._sums[labels])
        return [family]
