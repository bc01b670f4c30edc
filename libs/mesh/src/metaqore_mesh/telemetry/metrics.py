"""Prometheus conventions: `metaqore_<service>_<noun>_<unit>[_total]`, seconds and bytes, no ids as labels.

Declare metrics at module level in the adapter or entrypoint that knows the number. On a hot path look a child up
through `Children`, which costs a dictionary access instead of a lock:

    TASKS = Children(Counter("metaqore_gateway_tasks_total", "Tasks by door and how they ended.", ["door", "state"]))
    TASKS["rest", "done"].inc()

Every value of a label must come from a list in our code (a door, a state, a configured model): a value that a
stranger chooses makes a child for each request until the memory is full.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

#: Seconds. From a decision (0.1 ms) to the longest answer of a model (10 min).
DURATION_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0),
)


class Children(dict[tuple[str, ...], M], Generic[M]):
    """The children of a metric by their label values, each made once."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> M:
        child = self[labels] = self._metric.labels(*labels)
        return child
