"""`python -m metaqore_compliance_auditor`: runs the auditor until it is told to stop."""

from __future__ import annotations

import sys

from metaqore_compliance_auditor.bootstrap import NAME, bootstrap
from metaqore_compliance_auditor.settings import AuditorSettings
from metaqore_mesh.service import read_settings, run_service


def main() -> int:
    """Reads the settings, runs the service, gives the exit status."""
    settings = read_settings(NAME, AuditorSettings)
    return run_service(NAME, settings.telemetry, lambda health: bootstrap(settings, health))


if __name__ == "__main__":
    sys.exit(main())
