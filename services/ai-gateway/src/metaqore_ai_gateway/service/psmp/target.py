"""What a command is about: its project and its aggregate, found before anything is decided."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import Given, not_found
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT, artifact_id
from metaqore_ai_gateway.service.psmp.places import Place, Places
from metaqore_ai_gateway.service.psmp.points import Checkpoint
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.contracts import psmp_commands as commands
from metaqore_governance_core.contracts import psmp_project_commands as projects
from metaqore_governance_core.contracts import psmp_task_commands as tasks
from metaqore_governance_core.errors import MetaQoreError

_BY_KIND = {"artifact": Kind.ARTIFACT, "task": Kind.TASK}


@dataclass(frozen=True, slots=True)
class Target:
    """`told` names it in the record. Where a command offers drafts, `drafts` are their places, by artifact id."""

    project: str
    ref: Ref
    told: tuple[str, ...]
    drafts: dict[str, Ref] = field(default_factory=dict)
    conflict: FoundConflict | None = None
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class FindTarget:
    """Raises `<what>_not_found`, and `project_differs` where a command names another project than its target's."""

    places: Places
    new_id: Callable[[], str]

    async def __call__(self, given: Given) -> Target:  # noqa: PLR0911 - one return a family of commands
        """The target. What a command makes gets its id here; under an idempotency key, always the same."""
        command, organization = given.command, given.caller.organization
        project = given.project or DEFAULT_PROJECT
        await self._check_project(given)
        match command:
            case projects.CreateProject():
                made = self._made(given)
                return Target(made, Ref(Kind.PROJECT, made), (f"project:{made}",))
            case tasks.OpenTask():
                made = self._made(given)
                return Target(project, Ref(Kind.TASK, made), (f"task:{made}",))
            case artifacts.ProposeArtifacts():
                return await self._of_proposals(organization, given.project, command.proposals)
            case artifacts.DraftArtifact():
                return self._of_new(organization, project, command.version)
            case commands.ResolveConflict():
                place = await self._place(given, Kind.ARTIFACT, command.artifact)
                found = await self.places.conflict_in(organization, command.conflict, place, command.version)
                if found is None:
                    raise not_found("conflict")
                names = (f"conflict:{command.conflict}", f"artifact:{command.artifact}")
                return Target(place.project, place.ref, names, conflict=found)
            case commands.TakeCheckpoint():
                return Target(project, Ref(Kind.PROJECT, project), (f"project:{project}",))
            case commands.RestoreCheckpoint():
                at = await self.places.checkpoint_at(organization, command.checkpoint)
                if at is None:
                    raise not_found("checkpoint")
                named = f"checkpoint:{command.checkpoint}"
                return Target(at[0], Ref(Kind.PROJECT, at[0]), (named,), checkpoint=at[1])
            case _:
                return await self._of_existing(given, project)

    async def _check_project(self, given: Given) -> None:
        """The default project is made when it is needed; another that is named must be there."""
        if given.project in {"", DEFAULT_PROJECT} or isinstance(given.command, projects.CreateProject):
            return
        if await self.places.place(given.caller.organization, Kind.PROJECT, given.project) is None:
            raise not_found("project")

    async def _of_existing(self, given: Given, project: str) -> Target:
        aggregate = given.command.name.partition(".")[0]
        kind = _BY_KIND.get(aggregate)
        if kind is None:
            return Target(project, Ref(Kind.PROJECT, project), (f"project:{project}",))
        id_ = getattr(given.command, aggregate)
        place = await self._place(given, kind, id_)
        return Target(place.project, place.ref, (f"{aggregate}:{id_}",))

    async def _place(self, given: Given, kind: Kind, id_: str) -> Place:
        place = await self.places.place(given.caller.organization, kind, id_)
        if place is None:
            raise not_found(kind.value)
        if given.project and given.project != place.project:
            raise _differs(kind.value, place.project)
        return place

    async def _of_proposals(self, organization: str, project: str, proposals: list[artifacts.Proposal]) -> Target:
        """Drafts alone find their project; what is made goes into the default one where none is named."""
        drafts: dict[str, Ref] = {}
        told: list[str] = []
        if not project and any(one.created is not None for one in proposals):
            project = DEFAULT_PROJECT
        for one in proposals:
            if one.draft is not None:
                place = await self.places.place(organization, Kind.ARTIFACT, one.draft.artifact)
                if place is None:
                    raise not_found("artifact")
                project = project or place.project
                if place.project != project:
                    raise _differs("draft", place.project)
                drafts[one.draft.artifact] = place.ref
                told.append(f"artifact:{one.draft.artifact}")
            elif one.created is not None:
                told.append(f"artifact:{artifact_id(organization, project, one.created.artifact_name)}")
        if len(set(told)) != len(told):
            raise MetaQoreError("artifact_repeated", "Each proposal is of another artifact. Give each once.")
        return Target(project, Ref(Kind.PROJECT, project), tuple(told), drafts)

    def _of_new(self, organization: str, project: str, wanted: artifacts.NewVersion) -> Target:
        made = artifact_id(organization, project, wanted.artifact_name)
        return Target(project, Ref(Kind.ARTIFACT, wanted.artifact_name), (f"artifact:{made}",))

    def _made(self, given: Given) -> str:
        if not given.key:
            return self.new_id()
        named = [given.command.name, given.caller.organization, given.caller.name, given.project, given.key]
        return _uuid8(hashlib.sha256(canonical(named)).digest())


def _uuid8(digest: bytes) -> str:
    """A UUIDv8 (RFC 9562 section 5.8) of the digest: it says nothing, and is the same for the same."""
    bits = int.from_bytes(digest[:16])
    bits = bits & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _differs(what: str, project: str) -> MetaQoreError:
    return MetaQoreError("project_differs", f"The {what} is in the project {project}. Name that project, or none.")
