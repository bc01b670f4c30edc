"""Tallies read as the library's own metrics do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from metaqore_mesh.telemetry.tallies import CounterTally, HistogramTally

BUCKETS = (0.1, 0.5, 1.0, 2.5)
LABELS = st.tuples(st.sampled_from(["rest", "kafka"]), st.sampled_from(["done", "denied"]))


def text(registry):
    """The exposition without the times at which the library made its children."""
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


@given(st.lists(st.tuples(LABELS, st.integers(0, 1000))))
def test_a_counter_tally_reads_as_a_counter(changes):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = CounterTally("things", "Things.", ["door", "state"], registry=ours)
    counter = Counter("things", "Things.", ["door", "state"], registry=theirs)
    for labels, amount in changes:
        tally.counts[labels] += amount
        counter.labels(*labels).inc(amount)
    assert text(ours) == text(theirs)


@given(st.lists(st.tuples(LABELS, st.integers(0, 100).map(lambda n: n / 20))))
def test_a_histogram_tally_reads_as_a_histogram(observations):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = HistogramTally("seconds", "Time.", ["door", "state"], buckets=BUCKETS, registry=ours)
    histogram = Histogram("seconds", "Time.", ["door", "state"], buckets=BUCKETS, registry=theirs)
    for labels, amount in observations:
        tally.observe(labels, amount)
        histogram.labels(*labels).observe(amount)
    assert text(ours) == text(theirs)


def test_a_name_is_taken_once():
    registry = CollectorRegistry()
    CounterTally("things", "Things.", ["door"], registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("things", "Things.", ["door"], registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        HistogramTally("things", "Things.", ["door"], buckets=BUCKETS, registry=registry)
