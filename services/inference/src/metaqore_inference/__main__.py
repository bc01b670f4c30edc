"""`python -m metaqore_inference`: runs Inference until it is told to stop."""

from __future__ import annotations

import sys

from metaqore_inference.bootstrap import bootstrap
from metaqore_inference.settings import InferenceSettings
from metaqore_mesh.service import read_settings, run_service


def main() -> int:
    """Reads the settings, runs the service, gives the exit status."""
    settings = read_settings("inference", InferenceSettings)
    return run_service("inference", settings.telemetry, lambda health: bootstrap(settings, health))


if __name__ == "__main__":
    sys.exit(main())
