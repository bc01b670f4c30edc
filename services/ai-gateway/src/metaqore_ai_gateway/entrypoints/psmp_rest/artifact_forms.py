"""Artifacts as REST takes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from metaqore_ai_gateway.entrypoints.psmp_rest.forms import DryRun, ExpectedVersion, Form, ProjectId
from metaqore_governance_core.contracts import psmp_artifact_commands as contract
from metaqore_governance_core.contracts.psmp_command import (
    MAX_LISTED,
    MAX_PROPOSALS,
    MAX_SOURCES,
    Id,
    Labels,
    Line,
    Name,
    Text,
    VersionNumber,
    WhyText,
    Word,
)
from metaqore_governance_core.contracts.tasks import SensitivityName


class Dependency(Form):
    """One requirement, as its manifest says it. What an ecosystem has no use for is empty."""

    ecosystem: Literal["python", "npm", "cargo", "maven", "go"]
    name: Name
    text: WhyText = Field(description="The requirement, such as `numpy>=2`.")
    declares: WhyText = Field("", description="The words that an explanation quotes.")
    scope: Word = Field("", description="The extra or group of Python.")
    marker: WhyText = Field("", description="Where its manifest is used at all.")
    kind: Word = Field("", description="The section of npm; `links` for a native library of Cargo.")
    manifest: Line = Field("", description="The path of its manifest.")
    via: Line = Field("", description="The package whose own requirement it is, for overrides and peers.")
    selector: Line = Field("", description="The part of the tree that an override is for.")


class Rename(Form):
    """A path that moves."""

    from_path: Name
    to_path: Name


class Declarations(Form):
    """What a version declares. What its manifests declare is added to `dependencies`."""

    paths: list[Name] = Field([], max_length=MAX_LISTED, description="Relative to the project.")
    renames: list[Rename] = Field([], max_length=MAX_LISTED)
    dependencies: list[Dependency] = Field([], max_length=MAX_LISTED)
    environment: Word = Field("", description="Empty for the project's default of each ecosystem.")
    semantic_version: Word = Field("", description="As semver.org has it; empty for none.")
    sensitivity: SensitivityName | None = Field(None, description="Raises the sensitivity, never lowers it.")


class Provenance(Form):
    """Where a version comes from. What is secret or personal is a keyed commitment."""

    agent: Word = Field("", description="The agent, by name.")
    model: Word = ""
    task: Word = Field("", description="The id of the task that it was made for.")
    prompt_digest: Word = ""
    document_digests: list[Id] = Field([], max_length=MAX_SOURCES)
    inputs: list[Name] = Field([], max_length=MAX_SOURCES, description="As `<artifact id>@<version>`.")
    parents: list[Name] = Field([], max_length=MAX_SOURCES, description="As `<artifact id>@<version>`.")


class NewVersion(Form):
    """The next version of the artifact of that name. Its body: a text, bytes as base64, or the digest of one kept."""

    name: Name = Field(description="Unique in the project.")
    content_text: str | None = None
    content_base64: Annotated[str, Field(pattern="^[A-Za-z0-9+/]*={0,2}$")] | None = None
    content_digest: Id | None = Field(None, description="As `PUT /api/v1/contents` answered it.")
    media_type: Word = Field("", description="As RFC 6838 has it.", examples=["text/x-python"])
    declarations: Declarations = Declarations()
    provenance: Provenance = Provenance()
    description: Text | None = Field(None, description="What a person reads about the artifact; null leaves it.")
    labels: Labels | None = Field(None, description="To find the artifact by; null leaves them.")

    @model_validator(mode="after")
    def _one_body(self) -> NewVersion:
        if sum(each is not None for each in (self.content_text, self.content_base64, self.content_digest)) != 1:
            raise ValueError("give one of content_text, content_base64 and content_digest")
        return self


class NewArtifact(NewVersion):
    """The next version of the artifact of that name, which is made where there is none; proposed unless a draft."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "services/api/main.py",
                    "content_text": "print('hello')\n",
                    "media_type": "text/x-python",
                    "declarations": {
                        "paths": ["services/api/main.py"],
                        "dependencies": [{"ecosystem": "python", "name": "numpy", "text": "numpy>=2"}],
                        "semantic_version": "1.2.0",
                    },
                    "provenance": {"agent": "coder-1", "model": "smollm2"},
                    "labels": {"component": "api"},
                }
            ]
        }
    )

    project_id: ProjectId | None = None
    draft: bool = Field(default=False, description="Leaves it a draft.")
    refuse_blocked: bool = Field(default=False, description="Refuses it where a conflict would block it.")
    dry_run: DryRun = False
    expected_version: ExpectedVersion | None = None


class DraftRef(Form):
    """A draft that exists."""

    artifact_id: Id
    version: VersionNumber


class Proposal(Form):
    """What is offered: a new version, or a draft."""

    created: NewVersion | None = None
    draft: DraftRef | None = None
    expected_version: ExpectedVersion | None = None

    @model_validator(mode="after")
    def _one_version(self) -> Proposal:
        if (self.created is None) == (self.draft is None):
            raise ValueError("give either created or draft")
        return self


class Batch(Form):
    """Versions of one project that are offered together, all or nothing: judged against each other and what stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "proposals": [
                        {
                            "created": {
                                "name": "a.py",
                                "content_text": "import b\n",
                                "declarations": {"paths": ["a.py"]},
                            }
                        },
                        {
                            "created": {
                                "name": "b.py",
                                "content_text": "x = 1\n",
                                "declarations": {"paths": ["b.py"]},
                            }
                        },
                    ],
                    "dry_run": True,
                }
            ]
        }
    )

    project_id: ProjectId | None = None
    proposals: list[Proposal] = Field(min_length=1, max_length=MAX_PROPOSALS)
    refuse_blocked: bool = Field(default=False, description="Refuses all where one would be blocked.")
    dry_run: DryRun = False


class ArtifactPatch(Form):
    """Description and labels of the artifact, or the declarations of a draft: one of both in one request.

    What is not given stays; labels, and declarations, are replaced as a whole.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "The entry point."}]})

    description: Text | None = None
    labels: Labels | None = None
    version: VersionNumber | None = Field(None, description="The draft; without it, the newest version.")
    declarations: Declarations | None = None
    dry_run: DryRun = False


def version_of(given: NewVersion) -> contract.NewVersion:
    """The version as commands hold it."""
    return contract.NewVersion(
        artifact_name=given.name,
        content_text=given.content_text,
        content_base64=given.content_base64,
        content_digest=given.content_digest,
        media_type=given.media_type,
        declarations=declarations_of(given.declarations),
        provenance=contract.ProvenanceSpec.model_validate(given.provenance.model_dump()),
        description=given.description,
        labels=given.labels,
    )


def declarations_of(given: Declarations) -> contract.DeclarationsSpec:
    """What it declares, as commands hold it."""
    return contract.DeclarationsSpec.model_validate(given.model_dump())


def proposal_of(given: Proposal) -> contract.Proposal:
    """What is offered, as commands hold it."""
    draft = given.draft
    return contract.Proposal(
        created=None if given.created is None else version_of(given.created),
        draft=None if draft is None else contract.DraftRef(artifact=draft.artifact_id, version=draft.version),
        expected_revision=given.expected_version,
    )
