"""`metaqore.psmp.v1.ArtifactService`: making, offering, describing and reading artifacts over gRPC."""

# ruff: noqa: N802, ARG002  names and arguments are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifact_messages import (
    artifact_message,
    provenance_message,
    version_message,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.asked import declarations, new_version, proposals
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import answered_conflicts
from metaqore_ai_gateway.entrypoints.psmp_grpc.content import ContentCalls
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import DIRECTIONS, PHASES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import (
    MAX_NAME,
    bounded,
    described,
    identifier,
    invalid,
    wanted_labels,
    wanted_page,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.phases import PhaseCalls
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import moment_of
from metaqore_ai_gateway.entrypoints.psmp_grpc.versions import counting, version_of
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.reading_ports import Direction
from metaqore_governance_core.contracts import psmp_artifact_commands as asked
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

_MOST_STEPS = 32


@dataclass(frozen=True)
class ArtifactServicer(PhaseCalls, ContentCalls):
    """Parses, gives one command or reads, answers."""

    async def CreateArtifact(self, request: pb.CreateArtifactRequest, context: Context) -> pb.CreateArtifactResponse:
        """Make the next version of an artifact, and offer it unless it stays a draft."""

        def make() -> asked.DraftArtifact | asked.ProposeArtifacts:
            made, seen = new_version(request.version), expected(request)
            if request.draft:
                return asked.DraftArtifact(name="artifact.draft", expected_revision=seen, version=made)
            proposal = asked.Proposal(created=made, expected_revision=seen)
            return asked.ProposeArtifacts(name="artifact.propose", proposals=[proposal])

        answer = await self.commands.give(request, context, make, bounded(request.project_id, "project_id"))
        return pb.CreateArtifactResponse(
            committed=committed(answer),
            artifact=_artifact(answer),
            conflicts=answered_conflicts(answer, current_caller().organization),
        )

    async def ProposeArtifact(self, request: pb.ProposeArtifactRequest, context: Context) -> pb.ProposeArtifactResponse:
        """Offer a draft."""

        def make() -> asked.ProposeArtifacts:
            draft = asked.DraftRef(artifact=request.artifact_id, version=request.version)
            proposal = asked.Proposal(draft=draft, expected_revision=expected(request))
            return asked.ProposeArtifacts(name="artifact.propose", proposals=[proposal])

        answer = await self.commands.give(request, context, make)
        return pb.ProposeArtifactResponse(
            committed=committed(answer),
            artifact=_artifact(answer),
            conflicts=answered_conflicts(answer, current_caller().organization),
        )

    async def ProposeArtifacts(
        self, request: pb.ProposeArtifactsRequest, context: Context
    ) -> pb.ProposeArtifactsResponse:
        """Offer several, all or nothing."""

        def make() -> asked.ProposeArtifacts:
            return asked.ProposeArtifacts(
                name="artifact.propose",
                proposals=proposals(request.proposals),
                refuse_blocked=request.refuse_blocked,
            )

        answer = await self.commands.give(request, context, make, bounded(request.project_id, "project_id"))
        return pb.ProposeArtifactsResponse(
            committed=committed(answer),
            artifacts=map(artifact_message, _in_order(answer, request)),
            conflicts=answered_conflicts(answer, current_caller().organization),
        )

    async def UpdateArtifact(self, request: pb.UpdateArtifactRequest, context: Context) -> pb.UpdateArtifactResponse:
        """Change description and labels."""

        def make() -> asked.DescribeArtifact:
            return asked.DescribeArtifact(
                name="artifact.describe",
                expected_revision=expected(request),
                artifact=request.artifact_id,
                **described(request),
            )

        answer = await self.commands.give(request, context, make)
        return pb.UpdateArtifactResponse(committed=committed(answer), artifact=_artifact(answer))

    async def AmendArtifact(self, request: pb.AmendArtifactRequest, context: Context) -> pb.AmendArtifactResponse:
        """Change what a draft declares."""

        def make() -> asked.AmendArtifact:
            if not request.HasField("declarations"):
                raise invalid("declarations", "is missing.")
            return asked.AmendArtifact(
                name="artifact.amend",
                expected_revision=expected(request),
                artifact=request.artifact_id,
                version=request.version,
                declarations=declarations(request.declarations),
            )

        answer = await self.commands.give(request, context, make)
        return pb.AmendArtifactResponse(committed=committed(answer), artifact=_artifact(answer))

    async def GetArtifact(self, request: pb.GetArtifactRequest, context: Context) -> pb.GetArtifactResponse:
        """One artifact."""
        caller, id_ = current_caller(), identifier(request.artifact_id, "artifact_id")
        moment = await moment_of(self.readings, caller, request.at, "at")
        known = await self.readings.artifact(caller, id_, moment.point)
        moment.check(known.project)
        return pb.GetArtifactResponse(artifact=artifact_message(known))

    async def ListArtifacts(self, request: pb.ListArtifactsRequest, context: Context) -> pb.ListArtifactsResponse:
        """Artifacts of a project, by name."""
        caller, project = current_caller(), bounded(request.project_id, "project_id")
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        found = await self.readings.artifacts(
            caller,
            project,
            wanted_page(request),
            at=moment.point,
            phase=chosen(PHASES, request.phase, "phase"),
            labels=wanted_labels(request.labels),
            prefix=bounded(request.name_prefix, "name_prefix", MAX_NAME),
        )
        return pb.ListArtifactsResponse(artifacts=map(artifact_message, found.found), next_page_token=found.next)

    async def GetArtifactVersion(
        self, request: pb.GetArtifactVersionRequest, context: Context
    ) -> pb.GetArtifactVersionResponse:
        """One version, as it was at a point."""
        caller, id_ = current_caller(), identifier(request.artifact_id, "artifact_id")
        moment = await moment_of(self.readings, caller, request.at, "at")
        known = await self.readings.artifact(caller, id_, moment.point)
        moment.check(known.project)
        return pb.GetArtifactVersionResponse(version=version_message(known, version_of(known, request.version)))

    async def ListArtifactVersions(
        self, request: pb.ListArtifactVersionsRequest, context: Context
    ) -> pb.ListArtifactVersionsResponse:
        """The versions of an artifact, newest first."""
        phase, wanted = chosen(PHASES, request.phase, "phase"), wanted_page(request)
        caller, id_ = current_caller(), identifier(request.artifact_id, "artifact_id")
        question = Question("versions", (caller.organization, id_, phase))
        (below,) = question.place(wanted.token, int) or (0,)
        known = await self.readings.artifact(caller, id_)
        found = [
            version
            for version in reversed(known.artifact.versions)
            if (not below or version.number < below) and phase in {None, version.phase}
        ]
        page = found[: wanted.size]
        return pb.ListArtifactVersionsResponse(
            versions=[version_message(known, version) for version in page],
            next_page_token=question.token(page[-1].number) if len(found) > len(page) else "",
        )

    async def GetProvenance(self, request: pb.GetProvenanceRequest, context: Context) -> pb.GetProvenanceResponse:
        """Where a version comes from, or what was made from it."""
        if request.depth > _MOST_STEPS:
            raise invalid("depth", f"is more than {_MOST_STEPS}.")
        direction = chosen(DIRECTIONS, request.direction, "direction") or Direction.SOURCES
        caller, id_ = current_caller(), identifier(request.artifact_id, "artifact_id")
        number = request.version or await counting(self.readings, caller, id_)
        return provenance_message(await self.readings.provenance(caller, id_, number, direction, request.depth or 1))


def _artifact(answer: Answer) -> pb.Artifact | None:
    return next((artifact_message(known) for known in changed(answer, Kind.ARTIFACT)), None)


def _in_order(answer: Answer, request: pb.ProposeArtifactsRequest) -> list[Known]:
    """The artifacts of the proposals, in their order."""
    known = list(changed(answer, Kind.ARTIFACT))
    by_name = {one.ref.id: one for one in known}
    by_id = {one.id: one for one in known}
    found = (
        by_name.get(one.created.name) if one.HasField("created") else by_id.get(one.draft.artifact_id)
        for one in request.proposals
    )
    return [one for one in found if one is not None]
