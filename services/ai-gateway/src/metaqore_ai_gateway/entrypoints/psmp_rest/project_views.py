"""Projects as REST takes and tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from metaqore_ai_gateway.entrypoints.psmp_rest.forms import DryRun, ExactInteger, Explained, Form
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.contracts.psmp_command import Id, Labels, ModeName, Text
from metaqore_governance_core.psmp.project import ProjectPolicy

ProjectStateText = Literal["open", "frozen", "archived"]


class ApprovalRule(Form):
    """So many different people of a role must approve a version before it can become active."""

    role: Id
    count: int = Field(ge=1, le=1000)


class Policy(Form):
    """What a project asks for beyond the machine. The defaults are the strictest that let anything happen."""

    approvals: list[ApprovalRule] = Field([], max_length=64)
    veto_roles: list[Id] = Field([], max_length=64, description="Who has one of these may lay a veto.")
    may_activate_own: bool = Field(default=False, description="Whether who proposed a version may activate it.")
    may_resolve_own: bool = Field(default=False, description="Whether a party may resolve in its own favour.")
    proposal_ttl_us: ExactInteger | None = Field(
        None, description="How long a proposal stands before it lapses, in microseconds; null for ever."
    )


class NewProject(Form):
    """A project to begin."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "storefront",
                    "description": "The shop and its services.",
                    "labels": {"team": "web"},
                    "policy": {"approvals": [{"role": "reviewer", "count": 1}]},
                }
            ]
        }
    )

    name: Id = Field(description="Unique in the organization.")
    description: Text = ""
    labels: Labels = Field({}, description="To find it by.")
    mode: ModeName = Field("strict", description="`flexible` needs the scope `psmp:mode`.")
    policy: Policy = Policy()
    dry_run: DryRun = False


class ProjectPatch(Form):
    """What a person reads about a project. What is not given stays; labels are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"labels": {"team": "web", "tier": "1"}}]})

    description: Text | None = None
    labels: Labels | None = None
    dry_run: DryRun = False


class ModeChange(Explained):
    """The mode from now on; what was decided before stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "flexible", "why": "A spike, for a week."}]})

    mode: ModeName


class PolicyChange(Explained):
    """The whole new policy."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"policy": {"veto_roles": ["security"]}, "why": "Security may stop things."}]}
    )

    policy: Policy


class Project(BaseModel):
    """A project. Times are microseconds since the Unix epoch."""

    id: str
    organization: str
    name: str
    description: str
    labels: dict[str, str]
    state: ProjectStateText = Field(description="`archived` is final.")
    mode: ModeName
    policy: Policy
    revision: int = Field(description="Counts the changes of the project itself, from 1; its ETag.")
    version: int = Field(description="Counts the events of all that is in it, without a gap.")
    created_us: int
    since_us: int = Field(description="Since when it is in its state.")


class ChangedProject(Project):
    """The project after a command, or as it would be after a dry run."""

    dry_run: bool


class EndedProject(ChangedProject):
    """The archived project, with what ended before it."""

    ended: list[str] = Field(description="What `cascade` ended, or would end: `artifact <id>` and `task <id>`.")


class ProjectPage(BaseModel):
    """Projects by id. `next_page_token` is empty on the last page."""

    projects: list[Project]
    next_page_token: str


def project_fields(known: Known) -> dict[str, object]:
    """The fields of `Project`."""
    project = known.project_state
    return {
        "id": known.id,
        "organization": project.organization,
        "name": project.name,
        "description": project.description,
        "labels": dict(project.labels),
        "state": None if project.state is None else project.state.value,
        "mode": project.mode.value,
        "policy": _policy(project.policy),
        "revision": known.revision,
        "version": known.project_version,
        "created_us": project.created_us,
        "since_us": project.since_us,
    }


def project_view(known: Known) -> Project:
    """The project as it stands."""
    return Project.model_validate(project_fields(known))


def _policy(policy: ProjectPolicy) -> Policy:
    return Policy(
        approvals=[ApprovalRule(role=rule.role, count=rule.count) for rule in policy.approvals],
        veto_roles=sorted(policy.veto_roles),
        may_activate_own=policy.may_activate_own,
        may_resolve_own=policy.may_resolve_own,
        proposal_ttl_us=policy.proposal_ttl_us,
    )
