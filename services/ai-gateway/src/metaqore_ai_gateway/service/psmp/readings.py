"""Everything that is read of PSMP: the port `Readings`."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_ai_gateway.service.psmp.read_conflicts import ConflictReadings
from metaqore_ai_gateway.service.psmp.read_past import PastReadings


@dataclass(frozen=True, slots=True)
class ProjectReadings(PastReadings, ConflictReadings):
    """The port `Readings`: checks the scope, finds the version that is looked at, and reads it in pages."""
