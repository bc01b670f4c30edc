"""The commands to an artifact and its versions as they travel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from metaqore_governance_core.contracts.psmp_command import (
    MAX_LISTED,
    MAX_PROPOSALS,
    MAX_SOURCES,
    ChangingCommand,
    CommandPart,
    Id,
    Labels,
    Line,
    Name,
    ProjectCommand,
    Revision,
    Text,
    VersionNumber,
    Why,
    WhyText,
    Word,
)
from metaqore_governance_core.contracts.tasks import SensitivityName


class DependencySpec(CommandPart):
    """One requirement, as its manifest says it. What an ecosystem has no use for is left out."""

    ecosystem: Literal["python", "npm", "cargo", "maven", "go"]
    name: Name
    text: WhyText
    declares: WhyText = ""
    scope: Word = ""
    marker: WhyText = ""
    kind: Word = ""
    manifest: Line = ""
    via: Line = ""
    selector: Line = ""


class RenameSpec(CommandPart):
    """A path that moves."""

    from_path: Name
    to_path: Name


class DeclarationsSpec(CommandPart):
    """What a version declares. What its manifests declare is added to `dependencies`."""

    paths: list[Name] = Field([], max_length=MAX_LISTED)
    renames: list[RenameSpec] = Field([], max_length=MAX_LISTED)
    dependencies: list[DependencySpec] = Field([], max_length=MAX_LISTED)
    environment: Word = ""
    semantic_version: Word = ""
    sensitivity: SensitivityName | None = Field(None, description="Raises the sensitivity, never lowers it.")


class ProvenanceSpec(CommandPart):
    """Where a version comes from. `inputs` and `parents` are `<artifact>@<version>`; digests are keyed commitments."""

    agent: Word = ""
    model: Word = ""
    task: Word = ""
    prompt_digest: Word = ""
    document_digests: list[Id] = Field([], max_length=MAX_SOURCES)
    inputs: list[Name] = Field([], max_length=MAX_SOURCES)
    parents: list[Name] = Field([], max_length=MAX_SOURCES)


class NewVersion(CommandPart):
    """The next version of an artifact. Its body: its text, its bytes as base64, or the digest of one that is kept."""

    artifact_name: Name
    content_text: str | None = None
    content_base64: Annotated[str, Field(pattern="^[A-Za-z0-9+/]*={0,2}$")] | None = None
    content_digest: Id | None = None
    media_type: Word = ""
    declarations: DeclarationsSpec = DeclarationsSpec()
    provenance: ProvenanceSpec = ProvenanceSpec()
    description: Text | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _one_body(self) -> NewVersion:
        if sum(each is not None for each in (self.content_text, self.content_base64, self.content_digest)) != 1:
            raise ValueError("give one of content_text, content_base64 and content_digest")
        return self


class DraftRef(CommandPart):
    """A draft that exists."""

    artifact: Id
    version: VersionNumber


class Proposal(CommandPart):
    """What is offered: a new version, or a draft."""

    created: NewVersion | None = None
    draft: DraftRef | None = None
    expected_revision: Revision | None = None

    @model_validator(mode="after")
    def _one_version(self) -> Proposal:
        if (self.created is None) == (self.draft is None):
            raise ValueError("give either created or draft")
        return self


class DraftArtifact(ChangingCommand):
    """Make the next version of an artifact, as a draft."""

    name: Literal["artifact.draft"]
    version: NewVersion


class ProposeArtifacts(ProjectCommand):
    """Offer new versions and drafts, all or nothing. `refuse_blocked` refuses all where one would be blocked."""

    name: Literal["artifact.propose"]
    proposals: Annotated[list[Proposal], Field(min_length=1, max_length=MAX_PROPOSALS)]
    refuse_blocked: bool = False


class _OfArtifact(ChangingCommand):
    artifact: Id


class DescribeArtifact(_OfArtifact):
    """Change what a person reads about an artifact; what is not given stays."""

    name: Literal["artifact.describe"]
    description: Text | None = None
    labels: Labels | None = None


class RetireArtifact(_OfArtifact):
    """End every version of an artifact, each through all the phases between."""

    name: Literal["artifact.retire"]
    why: Why


class OfVersion(_OfArtifact):
    """A command to one version of an artifact."""

    version: VersionNumber


class _Explained(OfVersion):
    why: Why


class AmendArtifact(OfVersion):
    """Change what a draft declares."""

    name: Literal["artifact.amend"]
    declarations: DeclarationsSpec


class WithdrawArtifact(OfVersion):
    """Take a draft back."""

    name: Literal["artifact.withdraw"]
    why: WhyText = ""


class RejectArtifact(_Explained):
    """Turn a proposal down."""

    name: Literal["artifact.reject"]


class ApproveArtifact(OfVersion):
    """Approve a proposal in a role."""

    name: Literal["artifact.approve"]
    role: Id


class VetoArtifact(_Explained):
    """Forbid that a proposal becomes active."""

    name: Literal["artifact.lay_veto"]


class LiftArtifactVeto(_Explained):
    """Take one's own veto back."""

    name: Literal["artifact.lift_veto"]


class ActivateArtifact(OfVersion):
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
