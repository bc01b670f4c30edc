"""What a record of the bus hands on beside its task."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metaqore_ai_gateway.domain.task_request import TaskDefaults
from metaqore_ai_gateway.entrypoints import kafka
from metaqore_ai_gateway.entrypoints.kafka import TaskDoor, read_submission
from metaqore_governance_core.contracts.tasks import TaskSubmitted
from metaqore_governance_core.scanner import NOTHING_FOUND
from metaqore_mesh.kafka import KafkaRecord
from metaqore_mesh.kafka.delivery import is_poison

PARENT = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


DEFAULTS = TaskDefaults("m", 30.0, 60.0)


def record(*headers, value=b'{"prompt": "hi"}'):
    named = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"1"),
        ("ce_source", b"/a"),
        ("ce_type", TaskSubmitted.ce_type.encode()),
    )
    return KafkaRecord("topic", 0, 0, None, value, (*named, *headers), 0)


def traceparent(*headers):
    return read_submission(record(*headers), DEFAULTS, "task-1").task.envelope.traceparent


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


@pytest.mark.parametrize(("sign", "deadline_s"), [("", 60.0), ("-", None)])
def test_a_deadline_beyond_all_floats_is_a_long_one(sign, deadline_s):
    value = b'{"prompt": "hi", "deadline_s": %b1%b}' % (sign.encode(), b"0" * 400)
    task = read_submission(record(value=value), DEFAULTS, "task-1").task
    if deadline_s is None:
        assert task.code == "deadline_exceeded"
    else:
        assert task.envelope.deadline_s == deadline_s


async def test_a_record_that_breaks_the_reader_is_dead_alone(monkeypatch):
    """Tried again and again, it would hold up all records behind it."""
    taken = []

    def read_task(value, *_):
        if b"broken" in value:
            raise OverflowError
        return read(value, *_)

    async def take(submissions):
        taken.extend(submissions)

    read = kafka.read_task
    monkeypatch.setattr(kafka, "read_task", read_task)
    door = TaskDoor(take, DEFAULTS, SimpleNamespace(scan=lambda _: NOTHING_FOUND), lambda: "task-1")
    first, broken, last = await door([record(), record(value=b'{"prompt": "broken"}'), record()])
    assert (first, last, len(taken)) == (None, None, 2)
    assert is_poison(broken)
