"""Projects, artifacts and tasks, one and in pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.erased_bodies import with_erasures
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.lookup_ports import Among
from metaqore_ai_gateway.service.psmp.page_tokens import Question, check_size
from metaqore_ai_gateway.service.psmp.points import Point
from metaqore_ai_gateway.service.psmp.reading_ports import Labels, Slice, Wanted
from metaqore_ai_gateway.service.psmp.reading_sources import ReadingSources, check_scope
from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_ai_gateway.service.psmp.walk import BATCH, page_of, walk, walk_projects
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_state import Phase, Version
from metaqore_governance_core.psmp.project import ProjectState
from metaqore_governance_core.psmp.work import WorkState


@dataclass(frozen=True, slots=True)
class AggregateReadings(ReadingSources):
    """The part of `Readings` that gives states."""

    async def project(self, caller: Caller, project: str, at: Point | None = None) -> Known:
        """One project."""
        check_scope(caller)
        return await self._known(caller, Kind.PROJECT, project or DEFAULT_PROJECT, at)

    async def projects(
        self, caller: Caller, wanted: Wanted, *, state: ProjectState | None = None, labels: Labels = ()
    ) -> Slice[Known]:
        """By id."""
        check_scope(caller)
        size = check_size(wanted.size)
        question = Question("projects", (caller.organization, state, labels))
        (after,) = question.place(wanted.token, str) or ("",)
        batches = walk_projects(self.catalog, caller.organization, after, batch=_batch(size, state or labels))
        found, last = await page_of(
            batches,
            lambda one: (state is None or one.project_state.state is state) and _has(one.project_state.labels, labels),
            size,
        )
        return Slice(found, question.token(last) if last else "")

    async def artifact(self, caller: Caller, artifact: str, at: Point | None = None) -> Known:
        """One artifact by its id."""
        check_scope(caller)
        found = await self._known(caller, Kind.ARTIFACT, artifact, at)
        return found if at is not None else await self._with_erasures(caller, found)

    async def artifacts(
        self,
        caller: Caller,
        project: str,
        wanted: Wanted,
        *,
        at: Point | None = None,
        phase: Phase | None = None,
        labels: Labels = (),
        prefix: str = "",
    ) -> Slice[Known]:
        """By name."""
        check_scope(caller)
        question = Question("artifacts", (caller.organization, project, at, phase, labels, prefix))

        def matches(one: Known) -> bool:
            phases = {version.phase for version in one.artifact.versions}
            return (phase is None or phase in phases) and _has(one.artifact.labels, labels)

        among = Among(project or DEFAULT_PROJECT, 0, Kind.ARTIFACT, prefix)
        found = await self._page(caller, question, among, wanted, at, phase, matches if phase or labels else None)
        if at is not None:
            return found
        return Slice(await with_erasures(self.bodies, caller.organization, found.found), found.next)

    async def version(self, caller: Caller, artifact: str, number: int) -> tuple[Known, Version]:
        """One version; 0 is the newest."""
        check_scope(caller)
        known = await self._with_erasures(caller, await self._known(caller, Kind.ARTIFACT, artifact, None))
        versions = known.artifact.versions
        if not 0 <= number <= len(versions):
            raise not_found("version")
        return known, versions[number - 1]

    async def task(self, caller: Caller, task: str, at: Point | None = None) -> Known:
        """One task that PSMP knows."""
        check_scope(caller)
        return await self._known(caller, Kind.TASK, task, at)

    async def tasks(
        self,
        caller: Caller,
        project: str,
        wanted: Wanted,
        *,
        at: Point | None = None,
        state: WorkState | None = None,
        labels: Labels = (),
    ) -> Slice[Known]:
        """By id."""
        check_scope(caller)
        question = Question("tasks", (caller.organization, project, at, state, labels))

        def matches(one: Known) -> bool:
            return (state is None or one.work.state is state) and _has(one.work.labels, labels)

        among = Among(project or DEFAULT_PROJECT, 0, Kind.TASK)
        return await self._page(caller, question, among, wanted, at, state, matches if state or labels else None)

    async def _with_erasures(self, caller: Caller, known: Known) -> Known:
        (told,) = await with_erasures(self.bodies, caller.organization, [known])
        return told

    async def _page(  # noqa: PLR0917 - what pages of artifacts and tasks have in common
        self,
        caller: Caller,
        question: Question,
        among: Among,
        wanted: Wanted,
        at: Point | None,
        standing: Phase | WorkState | None,
        matches: Callable[[Known], bool] | None,
    ) -> Slice[Known]:
        size = check_size(wanted.size)
        place = question.place(wanted.token, int, str)
        if not storable(among.prefix):
            return Slice(())
        version, after = place or (await self._version_at(caller, among.project, at), "")
        of_then = Among(among.project, version, among.kind, among.prefix)
        batch = _batch(size, matches)
        batches = walk(self.catalog, caller.organization, of_then, after, standing=standing, batch=batch)
        found, last = await page_of(batches, matches or (lambda _: True), size)
        return Slice(found, question.token(version, last) if last else "")


def _batch(size: int, filtered: object) -> int:
    """So many at once: one more than the page where all are wanted, so that a single look is enough."""
    return BATCH if filtered else size + 1


def _has(own: Labels, labels: Labels) -> bool:
    return set(labels) <= set(own)
