"""The versions of an artifact over REST, and where they come from."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import READ_ONE
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_views import (
    PhaseText,
    Version,
    VersionPage,
    VersionProvenance,
    place_of,
    provenance_view,
    version_view,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ArtifactPath, NoneAsked, NumberPath
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery, PageQuery, cut
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import etag
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import READ
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Origin
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER

router = strict_router("artifacts")

MAX_DEPTH = 32


class VersionQuery(PageQuery):
    """Which versions."""

    at: AtText = None


class ProvenanceQuery(NoQuery):
    """Which way, and how far."""

    version: int = Field(0, ge=0, le=MAX_EXACT_INTEGER, description="The version's number; 0 is the newest.")
    direction: Literal["sources", "derived"] = Field(
        "sources", description="To what it was made from, or to what was made from it."
    )
    depth: int = Field(1, ge=1, le=MAX_DEPTH, description="How many steps.")


class OriginNode(BaseModel):
    """A version in the graph, `depth` steps away; the one that was asked about has 0."""

    artifact_id: str
    version: int
    name: str
    project_id: str
    phase: PhaseText
    provenance: VersionProvenance
    depth: int


class OriginEdge(BaseModel):
    """`made` was made from `source`, both as `<artifact id>@<version>`."""

    made: str
    source: str
    relation: Literal["input", "parent"]


class ProvenanceGraph(BaseModel):
    """Where a version comes from, or what was made from it."""

    nodes: list[OriginNode]
    edges: list[OriginEdge]
    unknown: list[str] = Field(description="Sources that are named and are not here.")
    cut: bool = Field(description="Whether the graph is larger than what is told: ask again from one of its nodes.")


@router.get("/artifacts/{artifact_id}/versions", responses=READ)
async def list_artifact_versions(
    door: Door, caller: KnownCaller, artifact_id: ArtifactPath, query: Annotated[VersionQuery, Query()]
) -> VersionPage:
    """The versions of an artifact, newest first."""
    question = Question("versions", (caller.organization, artifact_id, query.at))
    (before,) = question.place(query.page_token, int) or (None,)
    moment = await moment_of(door.readings, caller, query.at)
    known = await door.readings.artifact(caller, artifact_id, moment.point)
    moment.check(known.project)
    versions = [one for one in reversed(known.artifact.versions) if before is None or one.number < before]
    shown, more = cut(versions, query.page_size)
    place = place_of(known)
    return VersionPage(
        versions=[version_view(one, place) for one in shown],
        next_page_token=question.token(shown[-1].number) if more else "",
    )


@router.get("/artifacts/{artifact_id}/versions/{number}", responses=READ | READ_ONE)
async def get_artifact_version(
    door: Door,
    caller: KnownCaller,
    artifact_id: ArtifactPath,
    number: NumberPath,
    _: NoneAsked,
    response: Response,
) -> Version:
    """One version with all that it declares; its ETag has the artifact's revision."""
    known, version = await door.readings.version(caller, artifact_id, number)
    view = version_view(version, place_of(known))
    response.headers["etag"] = etag(known.revision, view)
    return view


@router.get("/artifacts/{artifact_id}/provenance", responses=READ)
async def get_provenance(
    door: Door, caller: KnownCaller, artifact_id: ArtifactPath, query: Annotated[ProvenanceQuery, Query()]
) -> ProvenanceGraph:
    """Where a version comes from, or what was made from it, as a graph."""
    found = await door.readings.provenance(caller, artifact_id, query.version, Direction(query.direction), query.depth)
    edges = [{"made": one.made, "source": one.source, "relation": one.relation} for one in found.edges]
    return ProvenanceGraph(
        nodes=[_node(one) for one in found.origins],
        edges=[OriginEdge.model_validate(one) for one in edges],
        unknown=list(found.unknown),
        cut=found.cut,
    )


def _node(origin: Origin) -> OriginNode:
    return OriginNode(
        artifact_id=origin.artifact.id,
        version=origin.version.number,
        name=origin.artifact.artifact.name,
        project_id=origin.artifact.project,
        phase=origin.version.phase.value,
        provenance=provenance_view(origin.version.content.provenance),
        depth=origin.depth,
    )
