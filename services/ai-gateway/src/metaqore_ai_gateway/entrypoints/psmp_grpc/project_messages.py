"""Projects, their tasks and their checkpoints as protobuf messages."""

from __future__ import annotations

from metaqore.psmp.v1 import checkpoint_pb2, work_pb2
from metaqore.psmp.v1 import project_pb2 as pb
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifact_messages import label_messages
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import MODES, PROJECT_STATES, TASK_STATES
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import timestamp
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.points import Checkpoint
from metaqore_governance_core.psmp.project import ProjectPolicy


def project_message(known: Known) -> pb.Project:
    """A project."""
    project = known.project_state
    return pb.Project(
        id=known.id,
        organization=project.organization,
        name=project.name,
        description=project.description,
        labels=label_messages(project.labels),
        state=PROJECT_STATES[project.state] if project.state else pb.PROJECT_STATE_UNSPECIFIED,
        mode=MODES[project.mode],
        policy=_policy(project.policy),
        revision=known.revision,
        version=known.project_version,
        create_time=timestamp(project.created_us),
        state_time=timestamp(project.since_us),
    )


def task_message(known: Known) -> work_pb2.Task:
    """A task as its project sees it."""
    work = known.work
    return work_pb2.Task(
        id=known.id,
        organization=work.organization,
        project_id=known.project,
        title=work.title,
        state=TASK_STATES[work.state] if work.state else work_pb2.TASK_STATE_UNSPECIFIED,
        holder=work.holder,
        lease_time=timestamp(work.lease_until_us) if work.holder else None,
        claims=work.claims,
        error=work.error or "",
        revision=known.revision,
        create_time=timestamp(work.created_us),
        state_time=timestamp(work.since_us),
        description=work.description,
        labels=label_messages(work.labels),
    )


def checkpoint_message(checkpoint: Checkpoint, project: str) -> checkpoint_pb2.Checkpoint:
    """A checkpoint of a project."""
    return checkpoint_pb2.Checkpoint(
        id=checkpoint.id,
        project_id=project,
        name=checkpoint.name,
        description=checkpoint.description,
        version=checkpoint.version,
        by=checkpoint.by,
        create_time=timestamp(checkpoint.at_us),
        state_digest=checkpoint.state_digest,
    )


def _policy(policy: ProjectPolicy) -> pb.ProjectPolicy:
    return pb.ProjectPolicy(
        approvals=[pb.ApprovalRule(role=rule.role, count=rule.count) for rule in policy.approvals],
        veto_roles=sorted(policy.veto_roles),
        may_activate_own=policy.may_activate_own,
        may_resolve_own=policy.may_resolve_own,
        proposal_ttl_us=policy.proposal_ttl_us,
    )
