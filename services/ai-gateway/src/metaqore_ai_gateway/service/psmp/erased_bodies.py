"""Bodies whose keys are destroyed: whichever version names one of them, nobody can read it any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.refusal import PsmpRefusedError, conflict


class Erasures(Protocol):
    """Knows which bodies of an organization are erased."""

    async def erased(self, organization: str, digests: Collection[str]) -> Mapping[str, int]:
        """Those of these that are, each with when, in microseconds since the Unix epoch."""
        ...


async def with_erasures(erasures: Erasures, organization: str, found: Iterable[Known]) -> tuple[Known, ...]:
    """These artifacts, with the versions told as erased whose bodies were erased through another."""
    known = tuple(found)
    digests = {version.content.body.digest for one in known for version in one.artifact.versions if not version.erased}
    erased = await erasures.erased(organization, digests) if digests else {}
    return tuple(replace(one, state=_told(one.artifact, erased)) for one in known) if erased else known


def _told(artifact: Artifact, erased: Mapping[str, int]) -> Artifact:
    versions = (replace(one, erased=one.erased or one.content.body.digest in erased) for one in artifact.versions)
    return replace(artifact, versions=tuple(versions))


def body_erased(at_us: int | None) -> PsmpRefusedError:
    """Nobody can read it again. `at_us` is None where the same text was put again since."""
    when = "" if at_us is None else f" at {datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return conflict("body_erased", f"This body was erased{when}: its key is destroyed, and nobody can read it again.")
