"""A secret in a prompt is in no record, log line, trace, metric or error, whatever happens to the task."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY, generate_latest
from structlog.testing import capture_logs

from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_mesh.telemetry.tracing import provided

SECRET = "Rumpelstiltskin-7c1f"
CREDENTIAL = "AKIA" + "RUMPELSTILTSKIN0"
PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provided(provider):
        yield exporter


def prompt(text):
    return {"messages": [{"role": "user", "content": text}]}


async def test_a_planted_secret_is_nowhere(gateway, spans, caplog):
    caplog.set_level(logging.DEBUG)
    whole = gateway.provider.script
    with capture_logs() as lines:
        answers = [
            await gateway.chat(prompt(SECRET)),
            await gateway.chat(prompt(f"{SECRET} {CREDENTIAL}")),
            await gateway.chat({**prompt(SECRET), "stream": True}),
            await gateway.chat({**prompt(SECRET), "model": SECRET}),
            await gateway.chat(prompt([SECRET])),
            await gateway.chat(content=f'{{"{SECRET}":1,"{SECRET}":2}}'.encode()),
            await gateway.chat(content=f'{{"model":"m","messages":[{{"role":{SECRET}'.encode()),
            await gateway.chat(key=SECRET),
            await gateway.chat(x_metaqore_sensitivity=SECRET),
            await gateway.chat(x_metaqore_project=f"{SECRET} {SECRET}"),
            await gateway.chat(x_metaqore_deadline=SECRET),
        ]
        for fault in (failed(), RuntimeError(SECRET), ValueError(SECRET)):
            gateway.provider.script = [fault]
            answers.append(await gateway.chat(prompt(SECRET)))
        gateway.provider.script = whole
    seen = {
        "records": json.dumps(await gateway.records()),
        "logs": repr([{name: value for name, value in line.items() if name != "exc_info"} for line in lines]),
        "library logs": caplog.text,
        "spans": "".join(span.to_json() for span in spans.get_finished_spans()),
        "metrics": generate_latest(REGISTRY).decode(),
    }
    seen |= {f"answer {number}": repr((answer.text, answer.headers)) for number, answer in enumerate(answers)}
    for place, text in seen.items():
        assert SECRET not in text, place
        assert CREDENTIAL not in text, place
    assert len(lines) >= 8


async def test_the_trace_runs_from_the_caller_to_the_provider(gateway, spans):
    await gateway.chat(traceparent=PARENT)
    (span,) = spans.get_finished_spans()
    assert span.name == "POST /v1/chat/completions"
    assert span.parent.span_id == int("b" * 16, 16)
    sent = gateway.provider.calls[0].traceparent
    assert sent.split("-")[1] == "a" * 32
    assert int(sent.split("-")[2], 16) == span.context.span_id


async def test_without_a_collector_the_callers_trace_is_passed_on(gateway):
    await gateway.chat(traceparent=PARENT)
    assert gateway.provider.calls[0].traceparent == PARENT
    await gateway.chat(traceparent="nonsense")
    assert gateway.provider.calls[1].traceparent is None
