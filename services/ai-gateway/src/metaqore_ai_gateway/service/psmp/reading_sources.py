"""What every reading stands on: the scope, the version of the project that is looked at, and what has an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.history_ports import Checkpoints, History
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.lookup_ports import Catalog, Conflicts, Provenance, Replay
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtTime, Point
from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_ai_gateway.service.psmp.uploads import BodyStore
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope

_MISSING: Final = {"project_missing": "project", "version_missing": "version", "checkpoint_missing": "checkpoint"}


@dataclass(frozen=True, slots=True)
class ReadingSources:
    """Where readings come from. `now_us` is the time now, in microseconds since the Unix epoch."""

    catalog: Catalog
    history: History
    conflict_rows: Conflicts
    provenance_rows: Provenance
    checkpoint_rows: Checkpoints
    replay: Replay
    bodies: BodyStore
    now_us: Callable[[], int]

    async def _version_at(self, caller: Caller, project: str, at: Point | None) -> int:
        """The version of the project there; 0 for a default project that nobody needed yet."""
        if not storable(project):
            raise not_found("project")
        if at is None:
            newest = await self.catalog.newest(caller.organization, project)
            if not newest and project != DEFAULT_PROJECT:
                raise not_found("project")
            return newest
        if isinstance(at, AtCheckpoint) and not storable(at.name):
            raise not_found("checkpoint")
        if isinstance(at, AtTime):
            at = AtTime(min(max(at.us, 0), MAX_EXACT_INTEGER))
        with _told_as_not_found():
            return await self.history.version_at(caller.organization, project, at)

    async def _known(self, caller: Caller, kind: Kind, id_: str, at: Point | None) -> Known:
        """What has this id, now or then. Raises `<kind>_not_found`."""
        organization = caller.organization
        if not storable(id_):
            raise not_found(kind.value)
        if at is None:
            known = await self.catalog.named(organization, kind, id_)
        else:
            place = await self.catalog.place(organization, kind, id_)
            if place is None:
                raise not_found(kind.value)
            version = await self._version_at(caller, place.project, at)
            known = (await self.catalog.at(organization, place.project, [place.ref], version)).get(place.ref)
            if known is None:
                raise _not_yet(kind)
        if known is None:
            raise not_found(kind.value)
        return known


def check_scope(caller: Caller) -> None:
    """Raises `missing_scope` where the caller may not read of PSMP."""
    require_scope(caller, Scope.PSMP_READ)


def _not_yet(kind: Kind) -> MetaQoreError:
    message = f"The {kind.value} did not exist yet at that point of the past. Ask for a later one."
    return MetaQoreError(f"{kind.value}_not_found", message, kind=ErrorKind.NOT_FOUND)


@contextmanager
def _told_as_not_found() -> Iterator[None]:
    try:
        yield
    except MetaQoreError as error:
        what = _MISSING.get(error.code)
        if what is None:
            raise
        raise MetaQoreError(f"{what}_not_found", error.message, kind=error.kind) from error
