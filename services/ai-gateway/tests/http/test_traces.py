"""The span of a task: what OpenTelemetry's GenAI conventions ask for, and what governs it; never a text."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_ai_gateway.adapters.task_observer import TelemetryObserver
from metaqore_mesh.telemetry.tracing import provided

CHUNK = b'{"object":"chat.completion.chunk","choices":[{"delta":{"content":"my answer"}}]}'


@pytest.fixture
def spans():
    """Traces are on; what has ended is in what it gives."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provided(provider):
        yield exporter


@pytest.fixture
async def traced(spans, start):
    """Traces are on before the gateway begins."""
    async with start() as gateway:
        assert not spans.get_finished_spans()
        yield gateway


def spans_of(spans):
    by_name = {span.name: span for span in spans.get_finished_spans()}
    return by_name["chat m"], by_name["POST /v1/chat/completions"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_task_says_what_it_asked_and_what_it_cost(traced, spans, stream):
    if stream:
        traced.provider.script.insert(0, CHUNK)
    answer = await traced.chat({"stream": stream})
    [decision, outcome] = await traced.records()
    task, door = spans_of(spans)
    assert task.parent.span_id == door.context.span_id
    assert task.kind is SpanKind.CLIENT
    assert dict(task.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "local",
        "gen_ai.request.model": "m",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.model": "m",
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "metaqore.caller.id": "key_1",
        "metaqore.decision.reasons": tuple(decision["reasons"]),
        "metaqore.decision.verdict": "permit",
        "metaqore.door": "rest",
        "metaqore.organization.id": "org_1",
        "metaqore.policy.name": decision["policy"],
        "metaqore.policy.version": decision["policy_version"],
        "metaqore.receipt.id": answer.headers["x-metaqore-receipt-id"],
        "metaqore.sensitivity": decision["sensitivity"],
        "metaqore.task.attempts": 1,
        "metaqore.task.id": outcome["task"],
        "metaqore.task.state": "done",
    }
    assert [event.name for event in task.events] == (["first_chunk"] if stream else [])
    assert "my prompt" not in task.to_json()
    assert "my answer" not in task.to_json()


async def test_the_provider_is_called_under_the_tasks_span(traced, spans):
    await traced.chat(traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    task, _ = spans_of(spans)
    [call] = traced.provider.calls
    assert call.traceparent == f"00-{'a' * 32}-{task.context.span_id:016x}-01"


async def test_a_task_that_fails_leaves_its_code(traced, spans):
    traced.provider.script = [failed()]
    await traced.chat()
    await traced.chat(key="key-intern")
    spent, denied = [span for span in spans.get_finished_spans() if span.name == "chat m"]
    assert (spent.attributes["error.type"], spent.status.status_code) == ("provider_failed", StatusCode.ERROR)
    assert denied.attributes["metaqore.decision.verdict"] == "deny"
    assert denied.attributes["metaqore.task.state"] == "denied"
    assert denied.attributes["error.type"]
    assert "gen_ai.provider.name" not in denied.attributes


async def test_a_task_whose_decision_is_not_durable_ends_its_span(traced, spans):
    traced.disk.fails = True
    assert (await traced.chat()).status_code == 503
    task, _ = spans_of(spans)
    assert task.attributes["error.type"] == "spool_failed"


async def test_where_traces_are_off_nothing_stands_before_the_observer(gateway):
    assert type(gateway.core.govern.observer) is TelemetryObserver
