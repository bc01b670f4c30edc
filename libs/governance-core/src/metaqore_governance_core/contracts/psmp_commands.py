"""The commands of PSMP as they travel: one model each, told apart by its name, `<aggregate>.<verb>`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER, Count
from metaqore_governance_core.contracts.tasks import SensitivityName

MAX_PROPOSALS = 1000
"""How many artifacts can be proposed together."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Why = Annotated[str, Field(min_length=1, max_length=4096, description="Why, for the record.")]
Revision = Annotated[Count, Field(description="The revision that the sender has seen; a stale one is refused.")]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)]
Labels = dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], str]
ChoiceName = Literal["keep_existing", "take_incoming", "supersede", "manual", "merge"]
ModeName = Literal["strict", "flexible"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Command(_Part):
    name: str

    @property
    def tool(self) -> str:
        """What policy is asked about: `psmp.artifact` of `artifact.propose`."""
        return f"psmp.{self.name.partition('.')[0]}"

    @property
    def verb(self) -> str:
        """How it is used: `propose` of `artifact.propose`."""
        return self.name.partition(".")[2]


class _Changing(_Command):
    expected_revision: Revision | None = None


class ApprovalRuleSpec(_Part):
    """So many different people of a role must approve a version before it can become active."""

    role: Id
    count: Annotated[int, Field(ge=1, le=1000)]


class ProjectPolicySpec(_Part):
    """What a project asks for beyond the machine. The defaults are the strictest that let anything happen."""

    approvals: list[ApprovalRuleSpec] = []
    veto_roles: list[Id] = []
    may_activate_own: bool = False
    may_resolve_own: bool = False
    proposal_ttl_us: Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)] | None = None


class CreateProject(_Command):
    """Begin a project."""

    name: Literal["project.create"]
    project_name: Annotated[str, Field(min_length=1, max_length=256)]
    description: str = ""
    labels: Labels = {}
    mode: ModeName = "strict"
    policy: ProjectPolicySpec = ProjectPolicySpec()


class DescribeProject(_Changing):
    """Change what a person reads about a project; what is not given stays."""

    name: Literal["project.describe"]
    description: str | None = None
    labels: Labels | None = None


class FreezeProject(_Changing):
    """Let nothing in a project change but what time and law demand."""

    name: Literal["project.freeze"]
    why: Why


class UnfreezeProject(_Changing):
    """Let a project change again."""

    name: Literal["project.unfreeze"]
    why: Why


class SetProjectMode(_Changing):
    """Change the mode of a project."""

    name: Literal["project.set_mode"]
    mode: ModeName
    why: Why


class SetProjectPolicy(_Changing):
    """Replace the policy of a project."""

    name: Literal["project.set_policy"]
    policy: ProjectPolicySpec
    why: Why


class ArchiveProject(_Changing):
    """End a project; with `cascade`, first everything in it."""

    name: Literal["project.archive"]
    cascade: bool = False
    why: Why


class OpenTask(_Command):
    """Record a task that waits for an agent; it runs nothing."""

    name: Literal["task.open"]
    title: Name


class _OfTask(_Changing):
    task: Id


class ClaimTask(_OfTask):
    """Take a task for a time."""

    name: Literal["task.claim"]
    lease_us: Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)]


class ReleaseTask(_OfTask):
    """Give a claim back."""

    name: Literal["task.release"]


class StartTask(_OfTask):
    """Begin a task that one holds."""

    name: Literal["task.start"]


class CompleteTask(_OfTask):
    """End a task that one holds, done."""

    name: Literal["task.complete"]


class FailTask(_OfTask):
    """End a task that one holds, not done."""

    name: Literal["task.fail"]
    error: Id


class CancelTask(_OfTask):
    """End a task that nobody wants any more."""

    name: Literal["task.cancel"]
    error: Id = "cancelled"


class DependencySpec(_Part):
    """One requirement, as its manifest says it. What an ecosystem has no use for is left out."""

    ecosystem: Literal["python", "npm", "cargo", "maven", "go"]
    name: Name
    text: str
    declares: str = ""
    scope: str = ""
    marker: str = ""
    kind: str = ""
    manifest: str = ""
    via: str = ""
    selector: str = ""


class RenameSpec(_Part):
    """A path that moves."""

    from_path: Name
    to_path: Name


class DeclarationsSpec(_Part):
    """What a version declares. What its manifests declare is added to `dependencies`."""

    paths: list[Name] = []
    renames: list[RenameSpec] = []
    dependencies: list[DependencySpec] = []
    environment: str = ""
    semantic_version: str = ""
    sensitivity: SensitivityName | None = Field(None, description="Raises the sensitivity, never lowers it.")


class ProvenanceSpec(_Part):
    """Where a version comes from. `inputs` and `parents` are `<artifact>@<version>`; digests are keyed commitments."""

    agent: str = ""
    model: str = ""
    task: str = ""
    prompt_digest: str = ""
    document_digests: list[str] = []
    inputs: list[str] = []
    parents: list[str] = []


class NewVersion(_Part):
    """The next version of an artifact. Its body: its text, its bytes as base64, or the digest of one that is kept."""

    artifact_name: Name
    content_text: str | None = None
    content_base64: Annotated[str, Field(pattern="^[A-Za-z0-9+/]*={0,2}$")] | None = None
    content_digest: Id | None = None
    media_type: str = ""
    declarations: DeclarationsSpec = DeclarationsSpec()
    provenance: ProvenanceSpec = ProvenanceSpec()
    description: str | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _one_body(self) -> NewVersion:
        if sum(each is not None for each in (self.content_text, self.content_base64, self.content_digest)) != 1:
            raise ValueError("give one of content_text, content_base64 and content_digest")
        return self


class DraftRef(_Part):
    """A draft that exists."""

    artifact: Id
    version: VersionNumber


class Proposal(_Part):
    """What is offered: a new version, or a draft."""

    created: NewVersion | None = None
    draft: DraftRef | None = None
    expected_revision: Revision | None = None

    @model_validator(mode="after")
    def _one_version(self) -> Proposal:
        if (self.created is None) == (self.draft is None):
            raise ValueError("give either created or draft")
        return self


class DraftArtifact(_Changing):
    """Make the next version of an artifact, as a draft."""

    name: Literal["artifact.draft"]
    version: NewVersion


class ProposeArtifacts(_Command):
    """Offer new versions and drafts, all or nothing. `refuse_blocked` refuses all where one would be blocked."""

    name: Literal["artifact.propose"]
    proposals: Annotated[list[Proposal], Field(min_length=1, max_length=MAX_PROPOSALS)]
    refuse_blocked: bool = False


class _OfArtifact(_Changing):
    artifact: Id


class DescribeArtifact(_OfArtifact):
    """Change what a person reads about an artifact; what is not given stays."""

    name: Literal["artifact.describe"]
    description: str | None = None
    labels: Labels | None = None


class RetireArtifact(_OfArtifact):
    """End every version of an artifact, each through all the phases between."""

    name: Literal["artifact.retire"]
    why: Why


class _OfVersion(_OfArtifact):
    version: VersionNumber


class _Explained(_OfVersion):
    why: Why


class AmendArtifact(_OfVersion):
    """Change what a draft declares."""

    name: Literal["artifact.amend"]
    declarations: DeclarationsSpec


class WithdrawArtifact(_OfVersion):
    """Take a draft back."""

    name: Literal["artifact.withdraw"]
    why: str = ""


class RejectArtifact(_Explained):
    """Turn a proposal down."""

    name: Literal["artifact.reject"]


class ApproveArtifact(_OfVersion):
    """Approve a proposal in a role."""

    name: Literal["artifact.approve"]
    role: Id


class VetoArtifact(_Explained):
    """Forbid that a proposal becomes active."""

    name: Literal["artifact.lay_veto"]


class LiftArtifactVeto(_Explained):
    """Take one's own veto back."""

    name: Literal["artifact.lift_veto"]


class ActivateArtifact(_OfVersion):
    """Let a proposal count."""

    name: Literal["artifact.activate"]


class ActivateArtifactOverWarning(_Explained):
    """Flexible: let a proposal count although warnings are open."""

    name: Literal["artifact.activate_over_warning"]


class ActivateOwnArtifact(_Explained):
    """Flexible: let one's own proposal count."""

    name: Literal["artifact.activate_own"]


class ProposeAndActivateArtifact(_Explained):
    """Flexible: offer a draft and let it count in one."""

    name: Literal["artifact.propose_and_activate"]


class DeprecateArtifact(_Explained):
    """Let the active version count no more."""

    name: Literal["artifact.deprecate"]


class ArchiveArtifact(_Explained):
    """End a deprecated version."""

    name: Literal["artifact.archive"]


class EraseArtifactBody(_Explained):
    """Destroy the key of a body; its history stays."""

    name: Literal["artifact.erase_body"]


class ResolveConflict(_OfVersion):
    """Choose how a conflict of a version ends. `content_digest` is a merged body; without it the mesh merges texts."""

    name: Literal["conflict.resolve"]
    conflict: Id
    choice: ChoiceName
    content_digest: Id | None = None
    why: Why


class TakeCheckpoint(_Command):
    """Name the project's version of now, or an earlier one."""

    name: Literal["checkpoint.take"]
    checkpoint_name: Annotated[str, Field(min_length=1, max_length=256)]
    description: str = ""
    at_version: Count | None = None


class RestoreCheckpoint(_Command):
    """Make new versions with the bodies of then, and deprecate what was not there."""

    name: Literal["checkpoint.restore"]
    checkpoint: Id
    expected_version: Count | None = Field(None, description="The project's version that the sender has seen.")
    why: Why


Command = (
    CreateProject
    | DescribeProject
    | FreezeProject
    | UnfreezeProject
    | SetProjectMode
    | SetProjectPolicy
    | ArchiveProject
    | OpenTask
    | ClaimTask
    | ReleaseTask
    | StartTask
    | CompleteTask
    | FailTask
    | CancelTask
    | DraftArtifact
    | ProposeArtifacts
    | DescribeArtifact
    | RetireArtifact
    | AmendArtifact
    | WithdrawArtifact
    | RejectArtifact
    | ApproveArtifact
    | VetoArtifact
    | LiftArtifactVeto
    | ActivateArtifact
    | ActivateArtifactOverWarning
    | ActivateOwnArtifact
    | ProposeAndActivateArtifact
    | DeprecateArtifact
    | ArchiveArtifact
    | EraseArtifactBody
    | ResolveConflict
    | TakeCheckpoint
    | RestoreCheckpoint
)
NamedCommand = Annotated[Command, Field(discriminator="name")]

COMMAND_NAMES = tuple(get_args(model.model_fields["name"].annotation)[0] for model in get_args(Command))
"""Every name there is."""
