"""Which version of an artifact a request names: 0 is the one that counts."""

from __future__ import annotations

from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_state import Version


def version_of(known: Known, number: int) -> Version:
    """The version of that number, or the one that counts. Raises `version_not_found`."""
    if number:
        if number > len(known.artifact.versions):
            raise _not_there("The artifact has no version of this number. List them.")
        return known.artifact.versions[number - 1]
    active = known.artifact.active
    if active is None:
        raise _not_there("No version of this artifact counts. Name one by its number.")
    return active


async def counting(readings: Readings, caller: Caller, artifact: str) -> int:
    """The number of the version that counts. Raises `version_not_found`."""
    return version_of(await readings.artifact(caller, artifact), 0).number


def _not_there(message: str) -> MetaQoreError:
    return MetaQoreError("version_not_found", message, kind=ErrorKind.NOT_FOUND)
