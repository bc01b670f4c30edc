"""What a record of the bus hands on beside its task."""

from __future__ import annotations

import pytest

from metaqore_ai_gateway.domain.task_request import TaskDefaults
from metaqore_ai_gateway.entrypoints.kafka import read_submission
from metaqore_governance_core.contracts.tasks import TaskSubmitted
from metaqore_mesh.kafka import KafkaRecord

PARENT = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


def traceparent(*headers):
    named = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"/a"),
        ("ce_type", TaskSubmitted.ce_type.encode()),
    )
    record = KafkaRecord("topic", 0, 0, None, b'{"prompt": "hi"}', (*named, *headers), 0)
    return read_submission(record, TaskDefaults("m", 30.0, 60.0), "task-1").task.envelope.traceparent


@pytest.mark.parametrize("name", ["traceparent", "ce_traceparent"])
def test_trace_context_is_handed_on(name):
    assert traceparent((name, PARENT.encode())) == PARENT


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("traceparent", b"0\r\nx-other: 1"), id="a header of its own for the provider"),
        pytest.param(("traceparent", PARENT.encode() + b"\r\n\r\nPOST /v1/files HTTP/1.1"), id="a request of its own"),
        pytest.param(("ce_traceparent", b"AKIAIOSFODNN7EXAMPLE"), id="a text that nobody scanned"),
        pytest.param(("ce_traceparent", "\u00e9".encode()), id="a letter that no header takes"),
        pytest.param(("traceparent", b"\xff"), id="no text"),
        pytest.param(("traceparent", None), id="null"),
    ],
)
def test_nothing_else_is_handed_on_as_such(header):
    assert traceparent(header) is None
