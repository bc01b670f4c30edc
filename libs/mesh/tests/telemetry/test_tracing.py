"""A trace stays whole from one process to the next, and costs nothing where nobody reads it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc as pb_grpc
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.errors import call_errors
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.grpc.identity import MeshAuthenticator
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.telemetry.tracing import (
    carrier,
    enabled,
    from_kafka,
    links,
    span,
    to_kafka,
    trace_ids,
    tracing,
)

SERVICE = "metaqore.inference.v1.InferenceService"


class Inference(pb_grpc.InferenceServiceServicer):
    async def ListModels(self, _request, _context):  # noqa: N802 - gRPC's name
        with span("inside"):
            return pb.ListModelsResponse()

    async def Generate(self, _request, _context):  # noqa: N802 - gRPC's name
        yield pb.GenerateResponse()
        raise MetaQoreError("engine_gone", "Gone with the secret.")


@pytest.fixture
async def stub():
    services = {SERVICE: partial(pb_grpc.add_InferenceServiceServicer_to_server, Inference())}
    async with (
        serve_grpc("127.0.0.1:0", services, authenticate=MeshAuthenticator("t"), health=Health(), grace_s=1) as port,
        connect(f"127.0.0.1:{port}", mesh_token="t") as channel,
    ):
        yield pb_grpc.InferenceServiceStub(channel)


async def served_span(spans, name):
    """A server ends its span a moment after its client has the answer."""
    while name not in spans():
        await asyncio.sleep(0.01)
    return spans()[name]


def parents(span, parent):
    return span.parent.span_id == parent.context.span_id and span.context.trace_id == parent.context.trace_id


async def test_a_trace_goes_through_grpc(stub, spans):
    with span("door"):
        await stub.ListModels(pb.ListModelsRequest())
    served = await served_span(spans, f"{SERVICE}/ListModels")
    found = spans()
    assert served.kind is SpanKind.SERVER
    assert parents(served, found["door"])
    assert parents(found["inside"], served)


async def test_a_stream_that_fails_marks_its_span_with_the_code_alone(stub, spans):
    call = stub.Generate(pb.GenerateRequest())
    await call.read()
    with pytest.raises(MetaQoreError), call_errors():
        await call.read()
    served = await served_span(spans, f"{SERVICE}/Generate")
    assert served.status.status_code is StatusCode.ERROR
    assert "secret" not in served.to_json()


def test_a_trace_goes_through_kafka_headers(spans):
    with span("publisher"):
        headers = (("ce_id", b"1"), *to_kafka(), ("odd", None))
    with span("consumer", parent=from_kafka(headers)):
        pass
    found = spans()
    assert parents(found["consumer"], found["publisher"])


@pytest.mark.parametrize("headers", [(), (("traceparent", b"\xff\xfe"),), (("traceparent", b"00-0-0-00"),)])
def test_headers_that_are_no_trace_start_a_new_one(headers, spans):
    with span("consumer", parent=from_kafka(headers)):
        pass
    assert spans()["consumer"].parent is None


def test_sealing_is_linked_to_what_it_seals(spans):
    made = []
    for name in ("a", "b"):
        with span(name):
            made.append(carrier()["traceparent"])
    with span("seal", links=links([*made, "nonsense"])):
        pass
    found = spans()
    linked = [link.context.span_id for link in found["seal"].links]
    assert linked == [found["a"].context.span_id, found["b"].context.span_id]


def test_an_exception_leaves_its_type_not_its_text(spans):
    with pytest.raises(ValueError, match="secret"), span("work"):
        raise ValueError("the secret")
    work = spans()["work"]
    assert work.attributes["error.type"] == "ValueError"
    assert "secret" not in work.to_json()


@pytest.mark.usefixtures("spans")
def test_baggage_of_a_stranger_does_not_enter():
    with span("door", parent={"baggage": "secret=1"}):
        assert set(carrier()) == {"traceparent"}


async def test_off_means_nothing_is_made_or_sent(stub):
    with tracing("test"):
        assert not enabled()
        with span("work", parent={"traceparent": "00-" + "1" * 32 + "-" + "1" * 16 + "-01"}) as current:
            assert not current.is_recording()
            assert (carrier(), to_kafka(), trace_ids(), links(["x"])) == ({}, (), None, [])
            await stub.ListModels(pb.ListModelsRequest())


@pytest.mark.parametrize(
    ("environment", "endpoint", "on"),
    [
        ({}, None, False),
        ({}, "http://127.0.0.1:1", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, None, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, None, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, None, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, "http://127.0.0.1:1", False),
        ({"OTEL_SDK_DISABLED": "true"}, "http://127.0.0.1:1", False),
    ],
)
def test_the_environment_decides(environment, endpoint, on, monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with tracing("test", otlp_endpoint=endpoint):
        assert enabled() is on
    assert not enabled()
