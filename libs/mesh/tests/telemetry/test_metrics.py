"""Metrics: cached children, and names that follow the convention."""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter

import metaqore_mesh.database.relay
import metaqore_mesh.grpc.channel
import metaqore_mesh.grpc.observation
import metaqore_mesh.telemetry.logging  # noqa: F401 - imported for its effect
from metaqore_mesh.telemetry.metrics import Children

NAME = re.compile(r"metaqore_[a-z]+(_[a-z]+)+")
IDENTIFIERS = {"organization", "caller", "task", "receipt", "key", "id", "writer", "trace_id"}


def test_a_child_is_made_once():
    counter = Counter("metaqore_test_things_total", "Things.", ["kind", "end"], registry=CollectorRegistry())
    things = Children(counter)
    things["a", "b"].inc()
    assert things["a", "b"] is things["a", "b"]
    assert counter.labels("a", "b")._value.get() == 1


def test_a_wrong_number_of_labels_is_refused():
    counter = Counter("metaqore_test_others_total", "Others.", ["kind"], registry=CollectorRegistry())
    with pytest.raises(ValueError, match="label"):
        Children(counter)["a", "b"]


def test_names_follow_the_convention_and_no_label_is_an_id():
    ours = [metric for metric in REGISTRY.collect() if metric.name.startswith("metaqore")]
    assert ours
    for metric in ours:
        assert NAME.fullmatch(metric.name), metric.name
        for sample in metric.samples:
            assert not IDENTIFIERS & set(sample.labels), metric.name
