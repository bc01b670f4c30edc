"""Artifacts and their versions as protobuf messages."""

from __future__ import annotations

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import common_pb2
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import Names, open_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import PHASES, SENSITIVITIES
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import timestamp
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.reading_ports import Edge, Labels, Origin, Provenances
from metaqore_governance_core.psmp.artifact_state import Body, Content, Provenance, Version
from metaqore_governance_core.sensitivity import Sensitivity

_PARENT = "parent"


def artifact_message(known: Known) -> pb.Artifact:
    """An artifact with its newest version."""
    artifact = known.artifact
    active = artifact.active
    versions = artifact.versions
    return pb.Artifact(
        id=known.id,
        organization=artifact.organization,
        project_id=known.project,
        name=artifact.name,
        description=artifact.description,
        labels=label_messages(artifact.labels),
        active_version=active.number if active else 0,
        latest=version_message(known, versions[-1]) if versions else None,
        revision=known.revision,
        create_time=timestamp(versions[0].drafted_us) if versions else None,
    )


def version_message(known: Known, version: Version) -> pb.ArtifactVersion:
    """A version of an artifact."""
    names = Names(known.artifact.organization, known.project)
    return pb.ArtifactVersion(
        number=version.number,
        phase=PHASES[version.phase],
        body=body_message(version.content.body),
        declarations=_declarations(version.content),
        provenance=_provenance(version.content.provenance),
        drafted_by=version.drafted_by,
        proposed_by=version.proposed_by,
        expire_time=None if version.expires_us is None else timestamp(version.expires_us),
        conflicts=[open_message(opened, names, (known.id, version.number)) for opened in version.conflicts],
        approvals=[pb.Approval(role=one.role, by=one.by, time=timestamp(one.at_us)) for one in version.approvals],
        vetoes=[pb.Veto(by=one.by, why=one.why, time=timestamp(one.at_us)) for one in version.vetoes],
        erased=version.erased,
        create_time=timestamp(version.drafted_us),
        phase_time=timestamp(version.since_us),
    )


def body_message(body: Body) -> pb.Body:
    """What stands for a body."""
    return pb.Body(digest=body.digest, key_id=body.key_id, media_type=body.media_type, size_bytes=body.size_bytes)


def label_messages(labels: Labels) -> list[common_pb2.Label]:
    """Labels, in their order."""
    return [common_pb2.Label(name=name, value=value) for name, value in labels]


def provenance_message(found: Provenances) -> pb.GetProvenanceResponse:
    """A graph of provenance."""
    return pb.GetProvenanceResponse(
        nodes=map(_node, found.origins), edges=map(_edge, found.edges), unknown=found.unknown, cut=found.cut
    )


def _declarations(content: Content) -> pb.Declarations:
    return pb.Declarations(
        paths=content.paths,
        renames=[pb.Rename(from_path=old, to_path=new) for old, new in content.renames],
        dependencies=[
            pb.Dependency(
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
            for one in content.dependencies
        ],
        environment=content.environment,
        semantic_version=content.semantic_version,
        sensitivity=SENSITIVITIES[Sensitivity[content.sensitivity]],
    )


def _provenance(provenance: Provenance) -> pb.Provenance:
    return pb.Provenance(
        agent=provenance.agent,
        model=provenance.model,
        task_id=provenance.task,
        prompt_digest=provenance.prompt,
        document_digests=provenance.documents,
        inputs=provenance.inputs,
        parents=provenance.parents,
    )


def _node(origin: Origin) -> pb.ProvenanceNode:
    version = origin.version
    return pb.ProvenanceNode(
        version=pb.VersionRef(artifact_id=origin.artifact.id, version=version.number),
        name=origin.artifact.artifact.name,
        phase=PHASES[version.phase],
        provenance=_provenance(version.content.provenance),
        depth=origin.depth,
    )


def _edge(edge: Edge) -> pb.ProvenanceEdge:
    return pb.ProvenanceEdge(derived=_ref(edge.made), source=_ref(edge.source), parent=edge.relation == _PARENT)


def _ref(text: str) -> pb.VersionRef:
    id_, _, number = text.rpartition("@")
    return pb.VersionRef(artifact_id=id_, version=int(number))
