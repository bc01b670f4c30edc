"""Artifacts as REST tells of them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from metaqore_ai_gateway.entrypoints.psmp_rest.conflict_views import Place, StandingConflict, standing_view
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.contracts.tasks import SensitivityName
from metaqore_governance_core.psmp import artifact_state as core

PhaseText = Literal[
    "draft", "proposed", "blocked", "active", "deprecated", "archived", "rejected", "withdrawn", "lapsed"
]


class ContentHead(BaseModel):
    """What stands for a body: a keyed commitment, and the key that encrypts it; erasing destroys that."""

    digest: str
    key_id: str
    media_type: str
    size_bytes: int


class VersionDependency(BaseModel):
    """One requirement, as its manifest says it."""

    ecosystem: str
    name: str
    text: str
    declares: str
    scope: str
    marker: str
    kind: str
    manifest: str
    via: str
    selector: str


class VersionRename(BaseModel):
    """A path that moves."""

    from_path: str
    to_path: str


class VersionDeclarations(BaseModel):
    """What a version declares."""

    paths: list[str]
    renames: list[VersionRename]
    dependencies: list[VersionDependency]
    environment: str
    semantic_version: str
    sensitivity: SensitivityName


class VersionProvenance(BaseModel):
    """Where a version comes from."""

    agent: str
    model: str
    task: str
    prompt_digest: str
    document_digests: list[str]
    inputs: list[str]
    parents: list[str]


class Approval(BaseModel):
    """Someone approved in a role."""

    role: str
    by: str
    at_us: int


class Veto(BaseModel):
    """Someone whose role may do so forbade the version."""

    by: str
    why: str
    at_us: int


class Version(BaseModel):
    """One version of an artifact. Times are microseconds since the Unix epoch."""

    number: int
    phase: PhaseText = Field(description="`archived`, `rejected`, `withdrawn` and `lapsed` are final.")
    content: ContentHead
    declarations: VersionDeclarations
    provenance: VersionProvenance
    drafted_by: str
    proposed_by: str | None
    expires_us: int | None = Field(description="When its proposal lapses; null for never.")
    conflicts: list[StandingConflict]
    acknowledged: list[str] = Field(description="The ids of warnings that somebody has answered for.")
    approvals: list[Approval]
    vetoes: list[Veto]
    erased: bool = Field(description="Whether the key of its body is destroyed.")
    created_us: int
    since_us: int = Field(description="Since when it is in its phase.")


class Artifact(BaseModel):
    """A name in a project, with its versions. Times are microseconds since the Unix epoch."""

    id: str
    organization: str
    project_id: str
    name: str
    description: str
    labels: dict[str, str]
    active_version: int | None = Field(description="The number of the version that counts.")
    latest: Version = Field(description="The newest version.")
    revision: int = Field(description="Counts the changes of the artifact, from 1; its ETag.")
    project_version: int
    created_us: int


class ChangedArtifact(Artifact):
    """The artifact after a command, or as it would be after a dry run."""

    version: Version | None = Field(description="The version that the command was for.")
    conflicts: list[StandingConflict] = Field(description="What the versions that it offered stand in.")
    dry_run: bool


class ChangedArtifacts(BaseModel):
    """Several artifacts after one command."""

    artifacts: list[Artifact]
    conflicts: list[StandingConflict] = Field(description="What the versions that were offered stand in.")
    project_version: int
    dry_run: bool


class ArtifactPage(BaseModel):
    """Artifacts by name. `next_page_token` is empty on the last page."""

    artifacts: list[Artifact]
    next_page_token: str


class VersionPage(BaseModel):
    """Versions, newest first. `next_page_token` is empty on the last page."""

    versions: list[Version]
    next_page_token: str


def artifact_view(known: Known) -> Artifact:
    """The artifact as it stands."""
    return Artifact.model_validate(artifact_fields(known))


def changed_view(answer: Answer, number: int | None, *, dry_run: bool) -> ChangedArtifact:
    """The artifact that a command was for, with version `number` of it; None for none."""
    known = answer.changed[0]
    place = place_of(known)
    versions = known.artifact.versions
    version = version_view(versions[number - 1], place) if number is not None and number <= len(versions) else None
    fields = artifact_fields(known)
    return ChangedArtifact.model_validate(
        fields | {"version": version, "conflicts": _conflicts(answer, place), "dry_run": dry_run}
    )


def batch_view(answer: Answer, *, dry_run: bool) -> ChangedArtifacts:
    """All artifacts that a command changed."""
    place = place_of(answer.changed[0])
    return ChangedArtifacts(
        artifacts=[artifact_view(one) for one in answer.changed if isinstance(one.state, core.Artifact)],
        conflicts=_conflicts(answer, place),
        project_version=answer.project_version,
        dry_run=dry_run,
    )


def place_of(known: Known) -> Place:
    """The project that names in the artifact's conflicts are of."""
    return Place(organization=known.artifact.organization, project=known.project)


def artifact_fields(known: Known) -> dict[str, Any]:
    """The fields of `Artifact`."""
    artifact = known.artifact
    active = artifact.active
    return {
        "id": known.id,
        "organization": artifact.organization,
        "project_id": known.project,
        "name": artifact.name,
        "description": artifact.description,
        "labels": dict(artifact.labels),
        "active_version": None if active is None else active.number,
        "latest": version_view(artifact.versions[-1], place_of(known)),
        "revision": known.revision,
        "project_version": known.project_version,
        "created_us": artifact.versions[0].drafted_us,
    }


def version_view(version: core.Version, place: Place) -> Version:
    """The version as it stands."""
    body = version.content.body
    return Version(
        number=version.number,
        phase=version.phase.value,
        content=ContentHead(
            digest=body.digest, key_id=body.key_id, media_type=body.media_type, size_bytes=body.size_bytes
        ),
        declarations=_declarations(version.content),
        provenance=provenance_view(version.content.provenance),
        drafted_by=version.drafted_by,
        proposed_by=version.proposed_by or None,
        expires_us=version.expires_us,
        conflicts=[standing_view(one, place) for one in version.conflicts],
        acknowledged=sorted(version.acknowledged),
        approvals=[Approval(role=one.role, by=one.by, at_us=one.at_us) for one in version.approvals],
        vetoes=[Veto(by=one.by, why=one.why, at_us=one.at_us) for one in version.vetoes],
        erased=version.erased,
        created_us=version.drafted_us,
        since_us=version.since_us,
    )


def provenance_view(one: core.Provenance) -> VersionProvenance:
    """Where a version comes from."""
    return VersionProvenance(
        agent=one.agent,
        model=one.model,
        task=one.task,
        prompt_digest=one.prompt,
        document_digests=list(one.documents),
        inputs=list(one.inputs),
        parents=list(one.parents),
    )


def _conflicts(answer: Answer, place: Place) -> list[StandingConflict]:
    return [standing_view(one, place) for one in answer.conflicts]


def _declarations(content: core.Content) -> VersionDeclarations:
    return VersionDeclarations.model_validate(
        {
            "paths": list(content.paths),
            "renames": [VersionRename(from_path=old, to_path=new) for old, new in content.renames],
            "dependencies": [_dependency(one) for one in content.dependencies],
            "environment": content.environment,
            "semantic_version": content.semantic_version,
            "sensitivity": content.sensitivity,
        }
    )


def _dependency(one: core.Dependency) -> VersionDependency:
    return VersionDependency(
        ecosystem=one.ecosystem,
        name=one.name,
        text=one.text,
        declares=one.declares,
        scope=one.scope,
        marker=one.marker,
        kind=one.kind,
        manifest=one.manifest,
        via=one.via,
        selector=one.selector,
    )
