"""From commands as they travel to what the deciders are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from metaqore_ai_gateway.service.psmp.asked import NEWEST, Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.contents import Made
from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.contracts import psmp_project_commands as projects
from metaqore_governance_core.contracts import psmp_task_commands as tasks
from metaqore_governance_core.contracts.psmp_project_commands import ProjectPolicySpec
from metaqore_governance_core.psmp import artifact_commands, project, work
from metaqore_governance_core.psmp.actor import Actor


@dataclass(frozen=True, slots=True)
class Who:
    """Who commands, where and when (microseconds since the Unix epoch)."""

    by: Actor
    at_us: int
    organization: str
    project: str


def of_project(command: Any, who: Who) -> tuple[Asked, ...]:
    """What a command to a project asks."""
    ref, by, at_us = Ref(Kind.PROJECT, who.project), who.by, who.at_us
    asked: list[project.Command]
    match command:
        case projects.CreateProject():
            mode, policy = project.Mode(command.mode), policy_of(command.policy)
            asked = [project.Create(by, at_us, who.project, who.organization, command.project_name, mode, policy)]
            if command.description or command.labels:
                asked.append(project.Describe(by, at_us, command.description, labels_of(command.labels)))
        case projects.DescribeProject():
            asked = [project.Describe(by, at_us, command.description, labels_of(command.labels))]
        case projects.FreezeProject():
            asked = [project.Freeze(by, at_us, command.why)]
        case projects.UnfreezeProject():
            asked = [project.Unfreeze(by, at_us, command.why)]
        case projects.SetProjectMode():
            asked = [project.SetMode(by, at_us, project.Mode(command.mode), command.why)]
        case projects.SetProjectPolicy():
            asked = [project.SetPolicy(by, at_us, policy_of(command.policy), command.why)]
        case projects.ArchiveProject():
            asked = [project.Archive(by, at_us, command.why, ())]
        case _:
            raise AssertionError(f"{command.name} is no command to a project")
    expected = getattr(command, "expected_revision", None)
    return tuple(Asked(ref, one, expected if at == 0 else None) for at, one in enumerate(asked))


def of_task(command: Any, ref: Ref, who: Who) -> tuple[Asked, ...]:
    """What a command to a task asks."""
    by, at_us = who.by, who.at_us
    asked: work.Command
    match command:
        case tasks.OpenTask():
            return tuple(Asked(ref, one) for one in _opening(command, ref, who))
        case tasks.DescribeTask():
            labels = labels_of(command.labels)
            asked = work.Describe(by, at_us, command.title, command.description, labels)
        case tasks.ClaimTask():
            asked = work.Claim(by, at_us, command.lease_us)
        case tasks.ReleaseTask():
            asked = work.Release(by, at_us)
        case tasks.StartTask():
            asked = work.Start(by, at_us)
        case tasks.CompleteTask():
            asked = work.Complete(by, at_us)
        case tasks.FailTask():
            asked = work.Fail(by, at_us, command.error)
        case tasks.CancelTask():
            asked = work.Cancel(by, at_us, command.error)
        case _:
            raise AssertionError(f"{command.name} is no command to a task")
    return (Asked(ref, asked, command.expected_revision),)


def _opening(command: tasks.OpenTask, ref: Ref, who: Who) -> Iterator[work.Command]:
    yield work.Open(who.by, who.at_us, ref.id, who.organization, who.project, command.title)
    if command.description or command.labels:
        labels = labels_of(command.labels)
        yield work.Describe(who.by, who.at_us, description=command.description, labels=labels)


_PLAIN: Final[Mapping[type[Any], type[Any]]] = {
    artifacts.WithdrawArtifact: artifact_commands.Withdraw,
    artifacts.RejectArtifact: artifact_commands.Reject,
    artifacts.VetoArtifact: artifact_commands.LayVeto,
    artifacts.LiftArtifactVeto: artifact_commands.LiftVeto,
    artifacts.DeprecateArtifact: artifact_commands.Deprecate,
    artifacts.ArchiveArtifact: artifact_commands.Archive,
    artifacts.EraseArtifactBody: artifact_commands.EraseBody,
}
_ACTIVATING: Final[Mapping[type[Any], type[Any]]] = {
    artifacts.ActivateArtifactOverWarning: artifact_commands.ActivateOverWarning,
    artifacts.ActivateOwnArtifact: artifact_commands.ActivateOwn,
    artifacts.ProposeAndActivateArtifact: artifact_commands.ProposeAndActivate,
}


def of_artifact(command: Any, ref: Ref, who: Who) -> tuple[Asked, ...]:
    """What a command to an artifact asks that brings no content. The store finds the conflicts."""
    by, at_us = who.by, who.at_us
    asked: artifact_commands.Command
    match command:
        case artifacts.DescribeArtifact():
            asked = artifact_commands.Describe(by, at_us, command.description, labels_of(command.labels))
        case artifacts.RetireArtifact():
            asked = artifact_commands.Retire(by, at_us, command.why)
        case artifacts.ApproveArtifact():
            asked = artifact_commands.Approve(by, at_us, command.version, command.role)
        case artifacts.ActivateArtifact():
            asked = artifact_commands.Activate(by, at_us, command.version, ())
        case _ if type(command) in _ACTIVATING:
            asked = _ACTIVATING[type(command)](by, at_us, command.version, (), command.why)
        case _:
            asked = _PLAIN[type(command)](by, at_us, command.version, command.why)
    return (Asked(ref, asked, command.expected_revision),)


def of_new_version(
    wanted: artifacts.NewVersion, made: Made, who: Who, expected: int | None, *, offered: bool
) -> tuple[Asked, ...]:
    """Draft a version, describe its artifact where that is asked, and offer it."""
    ref, by, at_us = Ref(Kind.ARTIFACT, wanted.artifact_name), who.by, who.at_us
    asked: list[artifact_commands.Command] = [
        artifact_commands.Draft(by, at_us, who.organization, who.project, wanted.artifact_name, made.content)
    ]
    if wanted.description is not None or wanted.labels is not None:
        asked.append(artifact_commands.Describe(by, at_us, wanted.description, labels_of(wanted.labels)))
    if offered:
        asked.append(artifact_commands.Propose(by, at_us, NEWEST, ()))
    first, *others = asked
    return (Asked(ref, first, expected, made.body), *(Asked(ref, one) for one in others))


def policy_of(spec: ProjectPolicySpec) -> project.ProjectPolicy:
    """The policy that this describes."""
    return project.ProjectPolicy(
        approvals=tuple(sorted(project.ApprovalRule(one.role, one.count) for one in spec.approvals)),
        veto_roles=frozenset(spec.veto_roles),
        may_activate_own=spec.may_activate_own,
        may_resolve_own=spec.may_resolve_own,
        proposal_ttl_us=spec.proposal_ttl_us,
    )


def labels_of(labels: Mapping[str, str] | None) -> Any:
    """Labels in the order of their names; None stays None."""
    return None if labels is None else tuple(sorted(labels.items()))
