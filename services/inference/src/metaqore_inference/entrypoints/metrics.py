"""What Prometheus sees of the engine's admission."""

from __future__ import annotations

from prometheus_client import Gauge

from metaqore_inference.service.admission import Admission

_RUNNING = Gauge("metaqore_inference_running_requests", "Requests that the engine works on.")
_WAITING = Gauge("metaqore_inference_waiting_requests", "Requests that wait for a place in the engine.")


def serve_gauges(admission: Admission) -> None:
    """Lets the gauges look at `admission` whenever they are scraped."""
    _RUNNING.set_function(lambda: admission.running)
    _WAITING.set_function(lambda: admission.waiting)
