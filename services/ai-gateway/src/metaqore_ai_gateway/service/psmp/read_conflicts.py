"""Conflicts and what is stuck, in pages."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.lookup_ports import ConflictPlace, ConflictsWanted
from metaqore_ai_gateway.service.psmp.page_tokens import Question, check_size
from metaqore_ai_gateway.service.psmp.points import AtTime, Point
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict, Slice, Wanted
from metaqore_ai_gateway.service.psmp.reading_sources import ReadingSources, check_scope
from metaqore_ai_gateway.service.psmp.report import Moment, Report, place_of
from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem
from metaqore_governance_core.psmp.conflicts.model import ConflictType, Severity


@dataclass(frozen=True, slots=True)
class ConflictReadings(ReadingSources):
    """The part of `Readings` that tells what clashes and what is stuck."""

    async def conflicts(
        self,
        caller: Caller,
        project: str | None,
        wanted: Wanted,
        *,
        severity: Severity | None = None,
        types: tuple[str, ...] = (),
        artifact: str = "",
        ended: bool = False,
        at: Point | None = None,
    ) -> Slice[FoundConflict]:
        """The longest open first. Raises `conflict_type_unknown` for a type that no conflict has."""
        check_scope(caller)
        size = check_size(wanted.size)
        if not set(types) <= set(ConflictType):
            message = f"No conflict has this type. The types are {', '.join(ConflictType)}."
            raise MetaQoreError("conflict_type_unknown", message)
        organization = caller.organization
        question = Question("conflicts", (organization, project, severity, types, artifact, ended, at))
        place = question.place(wanted.token, int, int, str, str, str, int, int)
        within, name = await self._within(caller, project, artifact)
        if at is not None and within is None:
            raise MetaQoreError("point_without_project", "A point is one of a project. Name the project.")
        version = None
        if at is not None and within is not None:
            version = place[0] if place else await self._version_at(caller, within, at)
        elif within is not None:
            await self._version_at(caller, within, None)
        asked = ConflictsWanted(within, severity, types, name, ended, version)
        after = ConflictPlace(*place[1:]) if place else None
        found = await self.conflict_rows.page(organization, asked, after, size + 1)
        shown = tuple(one for _, one in found[:size])
        token = question.token(version or 0, *astuple(found[size - 1][0])) if len(found) > size else ""
        return Slice(shown, token)

    async def conflict(self, caller: Caller, conflict: str) -> FoundConflict:
        """One conflict, also one that is gone."""
        check_scope(caller)
        found = await self.conflict_rows.find(caller.organization, conflict) if storable(conflict) else None
        if found is None:
            raise not_found("conflict")
        return found

    async def report(
        self, caller: Caller, project: str, wanted: Wanted, *, cause: Cause | None = None, at: Point | None = None
    ) -> tuple[Slice[StuckItem], int]:
        """What is stuck, the longest first, and how many there are in all."""
        check_scope(caller)
        size = check_size(wanted.size)
        question = Question("report", (caller.organization, project, cause, at))
        place = question.place(wanted.token, int, int, int, str, str, str)
        moment = await self._moment(caller, project or DEFAULT_PROJECT, at, place[:2] if place else None)
        after = None if place is None else (place[2], place[3], place[4], place[5])
        found, total = await Report(self.catalog)(moment, cause=cause, after=after, size=size + 1)
        token = ""
        if len(found) > size:
            token = question.token(moment.version, moment.now_us, *place_of(found[size - 1]))
        return Slice(tuple(found[:size]), token), total

    async def _within(self, caller: Caller, project: str | None, artifact: str) -> tuple[str | None, str]:
        """The project to look at, and the name of the artifact in it, where there is one."""
        within = None if project is None else project or DEFAULT_PROJECT
        if not artifact:
            return within, ""
        place = await self.catalog.place(caller.organization, Kind.ARTIFACT, artifact) if storable(artifact) else None
        if place is None or within not in {None, place.project}:
            raise not_found("artifact")
        return place.project, place.ref.id

    async def _moment(self, caller: Caller, project: str, at: Point | None, known: tuple[int, int] | None) -> Moment:
        organization = caller.organization
        if known is not None:
            return Moment(organization, project, *known)
        version = await self._version_at(caller, project, at)
        if at is None:
            return Moment(organization, project, version, self.now_us())
        if isinstance(at, AtTime):
            return Moment(organization, project, version, min(at.us, self.now_us()))
        last = await self.catalog.events(organization, project, version - 1, 1) if version else ()
        return Moment(organization, project, version, last[0].recorded_us if last else 0)
