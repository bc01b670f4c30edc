"""Artifacts over REST: making, reading, changing and ending them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Query, Response
from pydantic import Field, StringConstraints

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED, READ_ONE, created
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_forms import (
    ArtifactPatch,
    Batch,
    NewArtifact,
    declarations_of,
    proposal_of,
    version_of,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_views import (
    Artifact,
    ArtifactPage,
    ChangedArtifact,
    ChangedArtifacts,
    PhaseText,
    artifact_view,
    batch_view,
    changed_view,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ArtifactPath, DeleteQuery, NoneAsked, ProjectId
from metaqore_ai_gateway.entrypoints.psmp_rest.labels import LabelFilter, read_labels
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery, PageQuery
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing, Matching, Sender, Sending, etag
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE, MATCHED, READ, SEND
from metaqore_governance_core.contracts import psmp_artifact_commands as contract
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Phase

if TYPE_CHECKING:
    from pydantic.main import IncEx

router = strict_router("artifacts")

NEWEST = 0

UNSAID_VERSION: Final[IncEx] = {"version"}
"""The number of the version, where a command was sent without."""


class ArtifactQuery(PageQuery):
    """Which artifacts."""

    project_id: ProjectId | None = None
    phase: PhaseText | None = Field(None, description="That of any of its versions.")
    label: LabelFilter = Field([])
    prefix: Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        "", description="How the name begins."
    )
    at: AtText = None


class PastQuery(NoQuery):
    """When."""

    at: AtText = None


@router.get("/artifacts", responses=READ)
async def list_artifacts(door: Door, caller: KnownCaller, query: Annotated[ArtifactQuery, Query()]) -> ArtifactPage:
    """Artifacts of a project, by name. All pages of one chain are of the same version of the project."""
    project = query.project_id or ""
    moment = await moment_of(door.readings, caller, query.at, project)
    page = await door.readings.artifacts(
        caller,
        project,
        query.wanted,
        at=moment.point,
        phase=None if query.phase is None else Phase(query.phase),
        labels=read_labels(query.label),
        prefix=query.prefix,
    )
    return ArtifactPage(artifacts=[artifact_view(one) for one in page.found], next_page_token=page.next)


@router.post("/artifacts", responses=CHANGE | created(ChangedArtifact), status_code=201)
async def create_artifact(send: Changing, body: NewArtifact, _: NoneAsked) -> ChangedArtifact:
    """Make the next version of the artifact of that name, and propose it unless `draft` is set.

    A version that conflicts is made and is blocked: the answer has its conflicts. Verbs `draft` or `propose` of
    `psmp.artifact`.
    """
    expected = send.expected(body.expected_version)
    version = version_of(body)
    command: Command
    if body.draft:
        command = contract.DraftArtifact(name="artifact.draft", version=version, expected_revision=expected)
    else:
        proposal = contract.Proposal(created=version, expected_revision=expected)
        command = contract.ProposeArtifacts(
            name="artifact.propose", proposals=[proposal], refuse_blocked=body.refuse_blocked
        )
    answer = await send(command, project=body.project_id or "", dry_run=body.dry_run)
    known = answer.changed[0]
    send.created(f"/api/v1/artifacts/{known.id}", dry_run=body.dry_run)
    return changed_view(answer, len(known.artifact.versions), dry_run=body.dry_run)


@router.post("/artifacts/batch", responses=SEND | CHANGED)
async def propose_artifacts(send: Sending, body: Batch, _: NoneAsked) -> ChangedArtifacts:
    """Offer new versions and drafts of one project, all or nothing. Verb `propose`, decided for each."""
    command = contract.ProposeArtifacts(
        name="artifact.propose",
        proposals=[proposal_of(one) for one in body.proposals],
        refuse_blocked=body.refuse_blocked,
    )
    answer = await send(command, project=body.project_id or "", dry_run=body.dry_run)
    return batch_view(answer, dry_run=body.dry_run)


@router.get("/artifacts/{artifact_id}", responses=READ | READ_ONE)
async def get_artifact(
    door: Door, caller: KnownCaller, artifact_id: ArtifactPath, query: Annotated[PastQuery, Query()], response: Response
) -> Artifact:
    """One artifact with its newest version, now or at a point of its project's past."""
    moment = await moment_of(door.readings, caller, query.at)
    known = await door.readings.artifact(caller, artifact_id, moment.point)
    moment.check(known.project)
    view = artifact_view(known)
    response.headers["etag"] = etag(known.revision, view)
    return view


@router.patch("/artifacts/{artifact_id}", responses=MATCHED | CHANGED)
async def update_artifact(
    send: Matching, artifact_id: ArtifactPath, body: ArtifactPatch, _: NoneAsked
) -> ChangedArtifact:
    """Change description and labels (verb `describe`), or what a draft declares (verb `amend`).

    Never phase, body or provenance. One request is one command with one receipt, so it changes one or the other.
    """
    described = body.description is not None or body.labels is not None
    if described == (body.declarations is not None):
        raise MetaQoreError(
            "patch_unclear", "Send either description and labels, or the declarations of a draft, in one request."
        )
    if body.declarations is None:
        command: Command = contract.DescribeArtifact(
            name="artifact.describe",
            artifact=artifact_id,
            description=body.description,
            labels=body.labels,
            expected_revision=send.expected(None),
        )
        return changed_view(await send(command, dry_run=body.dry_run), None, dry_run=body.dry_run)
    number = body.version or await newest(send, artifact_id)
    command = contract.AmendArtifact(
        name="artifact.amend",
        artifact=artifact_id,
        version=number,
        declarations=declarations_of(body.declarations),
        expected_revision=send.expected(None),
    )
    answer = await send(command, dry_run=body.dry_run, unsaid=None if body.version else UNSAID_VERSION)
    return changed_view(answer, answer.version or number, dry_run=body.dry_run)


@router.delete("/artifacts/{artifact_id}", responses=MATCHED | CHANGED)
async def retire_artifact(
    send: Matching, artifact_id: ArtifactPath, query: Annotated[DeleteQuery, Query()]
) -> ChangedArtifact:
    """End every version, each through all the phases between, and remove nothing. Verb `retire`."""
    command = contract.RetireArtifact(
        name="artifact.retire", artifact=artifact_id, why=query.why, expected_revision=send.expected(None)
    )
    return changed_view(await send(command, dry_run=query.dry_run), None, dry_run=query.dry_run)


async def newest(send: Sender, artifact: str) -> int:
    """The number of the artifact's newest version, for a command that names none. Needs `psmp:read`."""
    known, _ = await send.door.readings.version(send.caller, artifact, NEWEST)
    return len(known.artifact.versions)
