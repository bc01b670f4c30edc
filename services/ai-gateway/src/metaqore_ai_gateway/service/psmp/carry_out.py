"""Let a command happen that is permitted and on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from metaqore_ai_gateway.service.psmp.answering import answer_of
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Outcome, Repeatable, Submission
from metaqore_ai_gateway.service.psmp.cascade import ended_of
from metaqore_ai_gateway.service.psmp.conduct import stale
from metaqore_ai_gateway.service.psmp.contents import Made, MakeContent, declared
from metaqore_ai_gateway.service.psmp.decide_command import Recorded
from metaqore_ai_gateway.service.psmp.default_project import DefaultProject
from metaqore_ai_gateway.service.psmp.governed import Answer, Given
from metaqore_ai_gateway.service.psmp.history_ports import Checkpoints, History
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.named_tasks import CheckTasks
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.resolve_conflict import PlanResolution
from metaqore_ai_gateway.service.psmp.restore import RestoreCheckpoint, Restored, made_undone
from metaqore_ai_gateway.service.psmp.target import Target
from metaqore_ai_gateway.service.psmp.translate import Who, of_artifact, of_new_version, of_project, of_task
from metaqore_ai_gateway.service.psmp.uploads import BodyStore
from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.contracts import psmp_commands as commands
from metaqore_governance_core.contracts import psmp_project_commands as projects
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.refusal import conflict
from metaqore_governance_core.receipts import parse_token
from metaqore_governance_core.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class Permitted:
    """A command that may happen: who gives it, what it is about, its receipt, and the time in microseconds."""

    given: Given
    target: Target
    recorded: Recorded
    by: Actor
    at_us: int
    repeatable: Repeatable | None

    @property
    def organization(self) -> str:
        """Whose it is."""
        return self.given.caller.organization

    @property
    def who(self) -> Who:
        """Who commands, where and when."""
        return Who(self.by, self.at_us, self.organization, self.target.project)


@dataclass(frozen=True, slots=True)
class CarryOut:
    """Turns commands into submissions, and what came of them into answers. Raises what refuses them."""

    queues: ProjectQueues
    history: History
    checkpoints: Checkpoints
    bodies: BodyStore
    default_project: DefaultProject
    tasks: CheckTasks

    async def __call__(self, permitted: Permitted) -> Answer:
        """Done once it is committed."""
        if permitted.target.project == DEFAULT_PROJECT:
            await self.default_project.ensure(permitted.organization)
        match permitted.given.command:
            case commands.TakeCheckpoint() as take:
                return await self._take(permitted, take)
            case commands.RestoreCheckpoint() as restore:
                return await self._restore(permitted, restore)
            case commands.ResolveConflict() as resolve:
                return await self._resolve(permitted, resolve)
            case projects.ArchiveProject(cascade=True) as archive:
                return await self._cascade(permitted, archive)
            case artifacts.EraseArtifactBody() as erase:
                return await self._erase(permitted, erase)
            case command:
                refuse = isinstance(command, artifacts.ProposeArtifacts) and command.refuse_blocked
                return await self._submit(permitted, await self._asked(permitted), refuse_blocked=refuse)

    async def keep_refusal(self, permitted: Permitted, refusal: MetaQoreError) -> None:
        """Keep what refused the command before its transaction under its key. Raises where the database is away."""
        recorded = permitted.recorded
        try:
            await self.queues.submit(
                Submission(
                    recorded.receipt,
                    permitted.organization,
                    permitted.target.project,
                    (),
                    permitted.repeatable,
                    receipt_token=recorded.receipt_token,
                    refused=refusal,
                )
            )
        except MetaQoreError as told:
            if told.retryable:
                raise

    async def _submit(
        self,
        permitted: Permitted,
        asked: tuple[Asked, ...],
        *,
        refuse_blocked: bool = False,
        cascade: bool = False,
    ) -> Answer:
        given, recorded = permitted.given, permitted.recorded
        outcome = await self.queues.submit(
            Submission(
                recorded.receipt,
                permitted.organization,
                permitted.target.project,
                asked,
                permitted.repeatable,
                dry_run=given.dry_run,
                refuse_blocked=refuse_blocked,
                cascade=cascade,
                receipt_token=recorded.receipt_token,
            )
        )
        of = (permitted.organization, permitted.target.project)
        return answer_of(outcome, of, permitted.target.ref, _receipt(outcome, recorded))

    async def _asked(self, permitted: Permitted) -> tuple[Asked, ...]:
        target, who = permitted.target, permitted.who
        match permitted.given.command:
            case artifacts.ProposeArtifacts() as command:
                return await self._proposals(permitted, command)
            case artifacts.DraftArtifact() as command:
                await self._check_tasks(permitted, [command.version])
                made = await self._made(permitted, command.version)
                return of_new_version(command.version, made, who, command.expected_revision, offered=False)
            case artifacts.AmendArtifact() as command:
                return await self._amended(permitted, command)
            case command if target.ref.kind is Kind.PROJECT:
                return of_project(command, who)
            case command if target.ref.kind is Kind.TASK:
                return of_task(command, target.ref, who)
            case command:
                return of_artifact(command, target.ref, who)

    async def _proposals(self, permitted: Permitted, command: artifacts.ProposeArtifacts) -> tuple[Asked, ...]:
        asked: list[Asked] = []
        await self._check_tasks(permitted, [one.created for one in command.proposals if one.created is not None])
        for one in command.proposals:
            if one.created is not None:
                made = await self._made(permitted, one.created)
                asked += of_new_version(one.created, made, permitted.who, one.expected_revision, offered=True)
            elif one.draft is not None:
                propose = artifact_commands.Propose(permitted.by, permitted.at_us, one.draft.version, ())
                asked.append(Asked(permitted.target.drafts[one.draft.artifact], propose, one.expected_revision))
        return tuple(asked)

    async def _check_tasks(self, permitted: Permitted, versions: Sequence[artifacts.NewVersion]) -> None:
        await self.tasks(permitted.organization, permitted.target.project, versions, permitted.given.task)

    async def _made(self, permitted: Permitted, wanted: artifacts.NewVersion) -> Made:
        given = permitted.given
        make = MakeContent(self.bodies, keeps=not given.dry_run)
        return await make(permitted.organization, given.caller.name, wanted, permitted.recorded.sensitivity)

    async def _amended(self, permitted: Permitted, command: artifacts.AmendArtifact) -> tuple[Asked, ...]:
        """The body and where it comes from stay; what a manifest declares is read again."""
        name = permitted.target.ref.id
        state = await self._artifact(permitted)
        if not 1 <= command.version <= len(state.versions):
            raise conflict("version_missing", f"There is no version {command.version} of {name}. List its versions.")
        former = state.versions[command.version - 1].content
        spec, provenance = command.declarations, artifacts.ProvenanceSpec()
        found = max(permitted.recorded.sensitivity, Sensitivity[former.sensitivity])
        content = replace(declared(spec, former.body, "", provenance, found), provenance=former.provenance)
        content = await MakeContent(self.bodies).again(permitted.organization, name, content)
        amend = artifact_commands.Amend(permitted.by, permitted.at_us, command.version, content)
        return (Asked(permitted.target.ref, amend, command.expected_revision),)

    async def _artifact(self, permitted: Permitted) -> Artifact:
        of = (permitted.organization, permitted.target.project)
        state = await self.history.state(*of, await self.history.newest(*of), permitted.target.ref)
        return state if isinstance(state, Artifact) else Artifact()

    async def _take(self, permitted: Permitted, command: commands.TakeCheckpoint) -> Answer:
        of = (permitted.organization, permitted.target.project)
        version = await self.history.newest(*of)
        if command.at_version is not None:
            version = await self.history.version_at(*of, AtVersion(command.at_version))
        taken = await self.checkpoints.take(
            *of,
            command.checkpoint_name,
            by=permitted.by.name,
            at_us=permitted.at_us,
            description=command.description,
            at_version=version,
            dry_run=permitted.given.dry_run,
            repeatable=permitted.repeatable,
            receipt_token=permitted.recorded.receipt_token,
        )
        return replace(_bare(permitted, version), checkpoint=taken)

    async def _restore(self, permitted: Permitted, command: commands.RestoreCheckpoint) -> Answer:
        checkpoint = permitted.target.checkpoint
        assert checkpoint is not None  # noqa: S101 - its target was found by it
        restore = RestoreCheckpoint(self.history, self.queues, self.bodies)
        wanted = Restored(
            permitted.recorded.receipt,
            permitted.organization,
            permitted.target.project,
            AtVersion(checkpoint.version),
            permitted.by,
            permitted.at_us,
            command.why,
            permitted.recorded.receipt_token,
        )
        plan = await restore.plan(wanted)
        if command.expected_version is not None and command.expected_version != plan.version:
            raise stale(permitted.target.ref, plan.version, command.expected_version)
        if permitted.given.dry_run:
            await restore.make(wanted, plan, dry_run=True)
            return replace(
                _bare(permitted, plan.version), differences=made_undone(plan.differences), conflicts=plan.conflicts
            )
        outcome = await restore.make(wanted, plan, permitted.repeatable)
        of = (permitted.organization, permitted.target.project)
        answer = answer_of(outcome, of, permitted.target.ref, _receipt(outcome, permitted.recorded))
        return replace(answer, differences=made_undone(plan.differences), conflicts=plan.conflicts)

    async def _resolve(self, permitted: Permitted, command: commands.ResolveConflict) -> Answer:
        found = permitted.target.conflict
        assert found is not None  # noqa: S101 - its target was found by it
        resolution = PlanResolution(self.history, self.bodies, keeps=not permitted.given.dry_run)
        plan = await resolution(command, found, permitted.who)
        answer = await self._submit(permitted, plan.asked)
        return replace(answer, steps=plan.steps)

    async def _cascade(self, permitted: Permitted, command: projects.ArchiveProject) -> Answer:
        """End everything, then the project, at once."""
        answer = await self._submit(permitted, of_project(command, permitted.who), cascade=True)
        return replace(answer, ended=ended_of(answer))

    async def _erase(self, permitted: Permitted, command: artifacts.EraseArtifactBody) -> Answer:
        """The event and the end of the key are one transaction."""
        asked = of_artifact(command, permitted.target.ref, permitted.who)
        versions = (await self._artifact(permitted)).versions
        if permitted.given.dry_run or not 1 <= command.version <= len(versions):
            return await self._submit(permitted, asked)
        digest = versions[command.version - 1].content.body.digest
        async with self.bodies.erasing(permitted.organization, digest):
            return await self._submit(permitted, asked)


def _receipt(outcome: Outcome, recorded: Recorded) -> tuple[str, str]:
    """This command's, or that of the one which it repeats. To read a token takes longer than the command's decision."""
    token = outcome.receipt_token
    if not token or token == recorded.receipt_token:
        return recorded.receipt, recorded.receipt_token
    return parse_token(token).id, token


def _bare(permitted: Permitted, version: int) -> Answer:
    """The answer of what changed no aggregate."""
    recorded = permitted.recorded
    return Answer(recorded.receipt, recorded.receipt_token, permitted.target.project, version)
