"""Telemetry is the process's own: what a test sets up is taken down again."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from metaqore_mesh.telemetry.logging import configure_logging
from metaqore_mesh.telemetry.tracing import provided


@pytest.fixture
def spans():
    """Traces are on; gives the finished ones by name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provided(provider):
        yield lambda: {span.name: span for span in exporter.get_finished_spans()}


@pytest.fixture
def lines():
    """Configures logging (`lines(level=...)`); what it gives, called, gives the lines written so far."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    read, write = os.pipe()
    os.set_blocking(read, False)

    def configured(**options):
        configure_logging("test", fd=write, **options)

        def written():
            try:
                text = os.read(read, 1 << 20).decode()
            except BlockingIOError:
                return []
            return (
                text.splitlines()
                if options.get("log_format") == "console"
                else list(map(json.loads, text.splitlines()))
            )

        return written

    yield configured
    root.handlers[:], level, sys.excepthook, threading.excepthook = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    os.close(read)
    os.close(write)
