"""`python -m metaqore_ai_gateway`: runs the gateway until it is told to stop."""

from __future__ import annotations

import sys

from metaqore_ai_gateway.bootstrap import NAME, bootstrap
from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_mesh.service import read_settings, run_service


def main() -> int:
    """Reads the settings, runs the service, gives the exit status."""
    settings = read_settings(NAME, GatewaySettings)
    return run_service(NAME, settings.telemetry, lambda health: bootstrap(settings, health))


if __name__ == "__main__":
    sys.exit(main())
