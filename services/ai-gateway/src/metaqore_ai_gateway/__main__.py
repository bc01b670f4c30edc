"""`python -m metaqore_ai_gateway`: runs the gateway until it is told to stop."""

from __future__ import annotations

import sys
from typing import Final

from metaqore_ai_gateway.bootstrap import NAME, bootstrap
from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_mesh.service import read_settings, run_service

CLOSING_S: Final = 20.0
"""How long servers, broker and database have to close, beside what tasks and records are given."""


def main() -> int:
    """Reads the settings, runs the service, gives the exit status."""
    settings = read_settings(NAME, GatewaySettings)
    group = settings.gateway
    return run_service(
        NAME,
        settings.telemetry,
        lambda health: bootstrap(settings, health),
        drain_timeout_s=group.drain_s + group.seal_s + CLOSING_S,
    )


if __name__ == "__main__":
    sys.exit(main())
