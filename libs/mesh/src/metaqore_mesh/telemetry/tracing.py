"""OpenTelemetry traces: whole from a door to the model, off at no cost until an exporter is named.

    with tracing("ai-gateway", otlp_endpoint=None):          # once, around the service's life
        with span("govern_task", parent=headers):            # `headers`: what came in, lower case names
            outgoing.update(carrier())                       # what goes out: `traceparent`

Spans hold no prompt, answer or secret: an exception leaves its code or its type on the span, never its text.
Only W3C trace context (`traceparent`, `tracestate`) is propagated; baggage is not, for it would carry into the mesh
whatever a stranger put there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from metaqore_governance_core.errors import MetaQoreError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = [
    "Carrier",
    "Span",
    "SpanKind",
    "begun",
    "carrier",
    "enabled",
    "failed",
    "from_kafka",
    "links",
    "provided",
    "span",
    "to_kafka",
    "trace_ids",
    "tracing",
]

Carrier = Mapping[str, str]
"""Headers or metadata, names in lower case; only `traceparent` and `tracestate` are looked at."""

_PROPAGATOR = TraceContextTextMapPropagator()
_FIELDS = ("traceparent", "tracestate")
_OFF: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)


class _Current:
    """The process's tracer, None while tracing is off. One place, as logging has one: spans start everywhere."""

    tracer: Tracer | None = None


def enabled() -> bool:
    """Whether spans are recorded."""
    return _Current.tracer is not None


@contextmanager
def tracing(service: str, *, otlp_endpoint: str | None = None) -> Iterator[None]:
    """Record spans and send them by OTLP over gRPC until the block ends; then flush.

    Off unless `otlp_endpoint`, `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names a collector
    or `OTEL_TRACES_EXPORTER` is `otlp`; off always with `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none`.
    The SDK reads the rest itself (`OTEL_TRACES_SAMPLER`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, ...).
    """
    if not _wanted(otlp_endpoint):
        yield
        return
    # Imported only where it is used: together they cost a quarter of a second.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow to import
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - slow to import
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - slow to import
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - slow to import

    name = os.environ.get("OTEL_SERVICE_NAME") or f"metaqore-{service}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    with provided(provider):
        yield


@contextmanager
def provided(provider: TracerProvider) -> Iterator[None]:
    """Record spans through `provider` until the block ends, and shut it down then."""
    before, _Current.tracer = _Current.tracer, provider.get_tracer("metaqore")
    try:
        yield
    finally:
        _Current.tracer = before
        provider.shutdown()


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Carrier | None = None,
    links: Sequence[Link] = (),
    attributes: Mapping[str, AttributeValue] | None = None,
) -> AbstractContextManager[Span]:
    """A span around a block, under the current one or under the one that `parent` carries.

    Do not hold it over a `yield` of an asynchronous generator: its end may come in another context.
    """
    if _Current.tracer is None:
        return _OFF
    context = _PROPAGATOR.extract(parent) if parent else None
    started = _Current.tracer.start_as_current_span(
        name,
        context=context,
        kind=kind,
        links=links,
        attributes=attributes,
        record_exception=False,  # its message and stack may hold what the caller sent
        set_status_on_exception=False,
    )
    return _failing(started)


def begun(name: str, *, kind: SpanKind, attributes: Mapping[str, AttributeValue]) -> Span:
    """A span under the current one that does not become it: for work that is no block. Who begins it ends it."""
    if _Current.tracer is None:
        return trace.INVALID_SPAN
    return _Current.tracer.start_span(name, kind=kind, attributes=attributes)


def failed(span: Span, code: str) -> None:
    """Leave on `span` that its work failed, and the error's code."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))


def carrier(span: Span | None = None) -> dict[str, str]:
    """What carries `span`, or the current one, to another process; empty without one."""
    headers: dict[str, str] = {}
    if _Current.tracer is not None:
        _PROPAGATOR.inject(headers, None if span is None else trace.set_span_in_context(span))
    return headers


def to_kafka() -> tuple[tuple[str, bytes], ...]:
    """The current span as Kafka headers."""
    return tuple((name, value.encode()) for name, value in carrier().items())


def from_kafka(headers: Iterable[tuple[str, bytes | None]]) -> Carrier:
    """The carrier among Kafka headers; what is no ASCII text is no trace."""
    if _Current.tracer is None:
        return {}
    return {name: value.decode("ascii", "replace") for name, value in headers if name in _FIELDS and value}


def links(traceparents: Iterable[str]) -> list[Link]:
    """Links to spans that led to this one without being its parent, as records lead to the span that seals them."""
    if _Current.tracer is None:
        return []
    contexts = (_span_context({"traceparent": traceparent}) for traceparent in traceparents)
    return [Link(context) for context in contexts if context.is_valid]


def trace_ids() -> tuple[str, str] | None:
    """Trace and span id of the current span, in hex, for the log; None without one."""
    if _Current.tracer is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


@contextmanager
def _failing(started: AbstractContextManager[Span]) -> Iterator[Span]:
    with started as current:
        try:
            yield current
        except BaseException as error:
            failed(current, error.code if isinstance(error, MetaQoreError) else type(error).__name__)
            raise


def _span_context(carrier: Carrier) -> trace.SpanContext:
    return trace.get_current_span(_PROPAGATOR.extract(carrier, context=Context())).get_span_context()


def _wanted(otlp_endpoint: str | None) -> bool:
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    named = (
        otlp_endpoint,
        exporter == "otlp",
        *(os.environ.get(f"OTEL_EXPORTER_OTLP_{x}ENDPOINT") for x in ("", "TRACES_")),
    )
    return any(named)
