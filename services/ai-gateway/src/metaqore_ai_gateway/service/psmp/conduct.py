"""One command inside a transaction: decided with what is found just now, and what follows from it by itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref, Submission
from metaqore_ai_gateway.service.psmp.cascade import ending
from metaqore_ai_gateway.service.psmp.judging import (
    Judged,
    clashing_proposals,
    conflicts_now,
    conflicts_with_active,
    declaration_for,
)
from metaqore_ai_gateway.service.psmp.workspace import Workspace
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp import artifact, project, work
from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Artifact, Phase, Version
from metaqore_governance_core.psmp.conflicts.effort import TOO_COMPLEX
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict
from metaqore_governance_core.psmp.conflicts.ownership import is_lease
from metaqore_governance_core.psmp.project import ProjectState
from metaqore_governance_core.psmp.refusal import blocked, conflict, forbidden

_IN_TIME: Final = (work.Expire, work.SeeStarted, work.SeeEnded)
"""What time and what has happened already do to a task, whatever its project's state."""
_ENDING: Final = (commands.Reject, commands.Deprecate, commands.Retire)
_OFFERING: Final = (commands.Propose, commands.ProposeAndActivate)


@dataclass(slots=True)
class Conduct:
    """The commands of one submission, one after another. Raises the first refusal."""

    workspace: Workspace
    submission: Submission
    _gone: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Let everything happen that is asked, and what follows from it."""
        if self.submission.refused is not None:
            raise self.submission.refused
        expected = self.submission.expected
        if expected is not None and expected != self.workspace.version:
            raise stale(self.workspace.project_ref, self.workspace.version, expected)
        for asked in self.submission.asked:
            await self._one(asked)
        while self._gone:
            gone, self._gone = self._gone, {}
            await self._free(gone)
        if self.submission.refuse_blocked:
            await self._check_unblocked()

    async def _check_unblocked(self) -> None:
        """Judged at the end: what is offered together may clash with each other, whichever came first."""
        found: dict[str, Conflict] = {}
        for asked in self.submission.asked:
            if isinstance(asked.command, _OFFERING):
                _, state = await self.workspace.artifact(asked.of.id)
                version = state.versions[(asked.command.version or len(state.versions)) - 1]
                found.update({one.conflict.id: one.conflict for one in version.blocking})
        if found:
            raise blocked(tuple(found[id_] for id_ in sorted(found)))

    async def _one(self, asked: Asked) -> None:
        _check_own(self.submission, asked)
        standing = await self.workspace.standing(asked.of)
        if asked.expected is not None and asked.expected != standing.version:
            raise stale(asked.of, standing.version, asked.expected)
        command = asked.command
        match asked.of.kind:
            case Kind.PROJECT:
                await self._of_project(asked.of, command)
            case Kind.TASK:
                await self._of_task(asked.of, command)
            case Kind.ARTIFACT:
                if asked.body is not None:
                    self.workspace.bring(asked.body)
                await self._of_artifact(asked.of, command)

    async def _of_project(self, ref: Ref, command: Any) -> None:
        state = await self.workspace.project()
        if isinstance(command, project.Archive):
            if self.submission.cascade:
                open_refs = await self.workspace.open_refs()
                await self.workspace.fetch(open_refs)
                for asked in ending(open_refs, command):
                    await self._one(asked)
            still_open = await self.workspace.open_refs()
            command = replace(command, open_items=tuple(f"{one.kind} {one.id}" for one in still_open))
        await self.workspace.record(ref, project.decide(state, command))
        if isinstance(command, project.Unfreeze):
            await self._rejudge_stopped(None, command.at_us)

    async def _of_task(self, ref: Ref, command: Any) -> None:
        state = (await self.workspace.project()).state
        if state is None:
            raise conflict("project_missing", "There is no such project. Create it first.")
        if state is not ProjectState.OPEN and not isinstance(command, _IN_TIME):
            raise conflict(f"project_{state}", f"The project is {state}; no task in it changes.")
        standing = await self.workspace.standing(ref)
        assert isinstance(standing.state, work.Work)  # noqa: S101 - what its kind says
        gone = await self.workspace.record(ref, work.decide(standing.state, command))
        await self._after(gone, command.at_us)

    async def _of_artifact(self, ref: Ref, command: Any) -> None:
        _, state = await self.workspace.artifact(ref.id)
        if isinstance(command, commands.Draft):
            await self._check_body(command.content.body.digest)
        if getattr(command, "version", None) == NEWEST:
            command = replace(command, version=len(state.versions))
        if isinstance(command, Judged):
            command = replace(command, conflicts=await self._found(ref.id, command))
        if isinstance(command, _ENDING) and not self.submission.over_proposals:
            await self._check_favour(ref.id, state, command)
        if isinstance(command, commands.Resolve):
            await self._check_choice(ref.id, state, command)
        happened = artifact.decide(state, command, await self.workspace.project())
        if isinstance(command, commands.Propose | commands.Activation):
            await self._check_readable(ref, state.versions[command.version - 1])
        gone = await self.workspace.record(ref, happened)
        if self.submission.over_proposals and isinstance(command, _OFFERING):
            await self._give_way(ref.id, command)
        if isinstance(command, commands.Activation):
            await self._rejudge_rivals(ref.id, command)
        await self._after(gone, command.at_us)

    async def _check_favour(self, name: str, state: Artifact, command: Any) -> None:
        """Nobody ends the work of another that stands in its own way: that would be to resolve in its own favour."""
        by, number = command.by.name, getattr(command, "version", None)
        if (await self.workspace.project()).policy.may_resolve_own:
            return
        others = {one.number for one in state.versions if one.authors - {by}}
        ended = others if number is None else others & {number}
        for holder in await self.workspace.stopped(frozenset({name})) if ended else ():
            version = (await self.workspace.artifact(holder.party))[1].versions[holder.number - 1]
            if by in version.authors and _clashes_with(version, name, ended):
                raise forbidden(
                    "own_favour",
                    f"{holder.party} v{holder.number}, which is yours, would gain by it. Give way, merge, or ask "
                    "someone else to decide.",
                )

    async def _check_choice(self, name: str, state: Artifact, command: commands.Resolve) -> None:
        """What stands may carry the text of others than who proposed it: they gain by it as well."""
        if command.choice is not Choice.KEEP_EXISTING or not 1 <= command.version <= len(state.versions):
            return
        version, by = state.versions[command.version - 1], command.by.name
        opened = next((one.conflict for one in version.conflicts if one.conflict.id == command.conflict), None)
        if opened is None or by in version.authors or (await self.workspace.project()).policy.may_resolve_own:
            return
        for party in opened.parties:
            if is_lease(party.artifact) or (party.artifact, party.version) == (name, command.version):
                continue
            _, other = await self.workspace.artifact(party.artifact)
            if 1 <= party.version <= len(other.versions) and by in other.versions[party.version - 1].authors:
                raise forbidden(
                    "own_favour",
                    f"{party.artifact} v{party.version} is yours, and would gain by it. Give way, merge, or ask "
                    "someone else to decide.",
                )

    async def _rejudge_rivals(self, name: str, command: commands.Activation) -> None:
        """What is offered of the same artifact may not know the version that counts now."""
        _, state = await self.workspace.artifact(name)
        for version in state.versions:
            if version.phase in OFFERED_PHASES and version.number != command.version:
                await self._rejudge_again(name, version.number, command.at_us)

    async def _check_body(self, digest: str) -> None:
        """A dry run keeps no bodies, and asks for none."""
        if not (self.submission.dry_run or await self.workspace.has_body(digest)):
            raise conflict("content_missing", "No body with this digest is kept here. Upload it first.")

    async def _check_readable(self, ref: Ref, version: Version) -> None:
        """What nobody can read is not offered, and does not become what counts. A new draft has brought its body."""
        if any(isinstance(one.command, commands.Draft) and one.of == ref for one in self.submission.asked):
            return
        if not await self.workspace.has_body(version.content.body.digest):
            raise conflict(
                "body_erased",
                f"The body of version {version.number} is erased: nobody could read what this offers. Draft another "
                "version, or upload the same body again.",
            )

    async def _found(self, name: str, command: Judged) -> tuple[Conflict, ...]:
        standing, state = await self.workspace.artifact(name)
        if not 1 <= command.version <= len(state.versions):
            return ()
        version = state.versions[command.version - 1]
        wanted = {Phase.DRAFT} if isinstance(command, _OFFERING) else OFFERED_PHASES
        if version.phase not in wanted:
            return ()
        declaration = declaration_for(standing, state, version, command)
        if self.submission.over_proposals and isinstance(command, _OFFERING):
            return await conflicts_with_active(self.workspace, declaration)
        return await conflicts_now(self.workspace, declaration)

    async def _give_way(self, name: str, command: Judged) -> None:
        """Block the proposals that clash with what a restore brings back."""
        while True:
            standing, state = await self.workspace.artifact(name)
            declaration = declaration_for(standing, state, state.versions[command.version - 1], command)
            found = await conflicts_now(self.workspace, declaration)
            proposals = await clashing_proposals(self.workspace, found, name)
            if not proposals:
                return
            for other, number in proposals:
                await self._rejudge(other, number, command.at_us)

    async def _after(self, gone: frozenset[str], at_us: int) -> None:
        if self.submission.over_proposals:
            self._gone.update(dict.fromkeys(gone, at_us))
        else:
            await self._free(dict.fromkeys(gone, at_us))

    async def _free(self, gone: dict[str, int]) -> None:
        if gone:
            await self._rejudge_stopped(frozenset(gone), max(gone.values()))

    async def _rejudge_stopped(self, parties: frozenset[str] | None, at_us: int) -> None:
        """Judge again whom these stopped. In a frozen project that waits until it is thawed."""
        if (await self.workspace.project()).state is not ProjectState.OPEN:
            return
        for holder in await self.workspace.stopped(parties):
            await self._rejudge_again(holder.party, holder.number, at_us)

    async def _rejudge_again(self, name: str, number: int, at_us: int) -> None:
        """What has become too much to be judged stays as it is: nobody else's command is refused for it."""
        try:
            await self._rejudge(name, number, at_us)
        except MetaQoreError as error:
            if error.code != TOO_COMPLEX:
                raise

    async def _rejudge(self, name: str, number: int, at_us: int) -> None:
        ref = Ref(Kind.ARTIFACT, name)
        _, state = await self.workspace.artifact(name)
        if state.versions[number - 1].phase not in OFFERED_PHASES:
            return
        command = commands.Rejudge(SYSTEM, at_us, number, ())
        declaration = declaration_for(*await self.workspace.artifact(name), state.versions[number - 1], command)
        command = replace(command, conflicts=await conflicts_now(self.workspace, declaration))
        happened = artifact.decide(state, command, await self.workspace.project())
        if happened:
            await self._after(await self.workspace.record(ref, happened), at_us)


def _clashes_with(version: Version, name: str, numbers: set[int]) -> bool:
    return any(
        party.artifact == name and party.version in numbers
        for one in version.blocking
        for party in one.conflict.clashing
    )


def stale(ref: Ref, version: int, expected: int) -> MetaQoreError:
    """It is not at the version that the command was meant for."""
    return MetaQoreError(
        "version_stale",
        f"The {ref.kind} {ref.id} is at version {version}, not {expected}. Read it again, then decide.",
        kind=ErrorKind.CONFLICT,
    )


def _check_own(submission: Submission, asked: Asked) -> None:
    """A command that names a place must name the one that it is sent to."""
    command = asked.command
    if asked.of.kind is Kind.ARTIFACT and is_lease(asked.of.id):
        raise MetaQoreError("artifact_name_reserved", "A name that begins with 'task ' is a task's. Choose another.")
    organization = getattr(command, "organization", submission.organization)
    where = getattr(command, "project", submission.project)
    id_ = command.name if isinstance(command, commands.Draft) else getattr(command, "id", asked.of.id)
    project_id = asked.of.id if asked.of.kind is Kind.PROJECT else submission.project
    if (organization, where, id_, project_id) != (
        submission.organization,
        submission.project,
        asked.of.id,
        submission.project,
    ):
        raise MetaQoreError(
            "submission_other", "A command names another place than the one it is sent to. Send it to that one."
        )
