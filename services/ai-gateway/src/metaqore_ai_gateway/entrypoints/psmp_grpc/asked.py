"""Messages of `metaqore.psmp.v1` as the parts of commands."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

from metaqore.psmp.v1 import artifact_pb2, project_pb2
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import expected, reading
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import SENSITIVITIES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import invalid, labels_of
from metaqore_governance_core.contracts.psmp_artifact_commands import (
    DeclarationsSpec,
    DependencySpec,
    DraftRef,
    NewVersion,
    Proposal,
    ProvenanceSpec,
    RenameSpec,
)
from metaqore_governance_core.contracts.psmp_command import MAX_LISTED, MAX_PROPOSALS
from metaqore_governance_core.contracts.psmp_project_commands import ApprovalRuleSpec, ProjectPolicySpec

MAX_INLINE_BYTES: Final = 1024 * 1024
_NO_DECLARATIONS: Final = DeclarationsSpec()
_NO_PROVENANCE: Final = ProvenanceSpec()


def new_version(message: artifact_pb2.NewVersion) -> NewVersion:
    """The next version of an artifact. Raises `invalid_request`, `ValidationError`."""
    return NewVersion(
        artifact_name=message.name,
        **_content(message),
        media_type=message.media_type,
        declarations=declarations(message.declarations) if message.HasField("declarations") else _NO_DECLARATIONS,
        provenance=_provenance(message.provenance) if message.HasField("provenance") else _NO_PROVENANCE,
        description=message.description if message.HasField("description") else None,
        labels=labels_of(message.labels.labels) if message.HasField("labels") else None,
    )


def declarations(message: artifact_pb2.Declarations) -> DeclarationsSpec:
    """What a version declares. Raises `invalid_request`, `ValidationError`."""
    for field in (message.dependencies, message.renames):
        if len(field) > MAX_LISTED:  # not made first, to be refused then
            raise invalid("declarations", f"has more than {MAX_LISTED} dependencies or renames.")
    sensitivity = chosen(SENSITIVITIES, message.sensitivity, "declarations.sensitivity")
    return DeclarationsSpec(
        paths=list(message.paths),
        renames=[RenameSpec(from_path=one.from_path, to_path=one.to_path) for one in message.renames],
        dependencies=[_dependency(one) for one in message.dependencies],
        environment=message.environment,
        semantic_version=message.semantic_version,
        sensitivity=None if sensitivity is None else sensitivity.name,
    )


def proposals(messages: Iterable[artifact_pb2.Proposal]) -> list[Proposal]:
    """What is offered together. Raises `invalid_request`, `ValidationError`."""
    found: list[Proposal] = []
    for place, message in enumerate(messages):
        if place == MAX_PROPOSALS:
            raise invalid("proposals", f"has more than {MAX_PROPOSALS} items.")
        with reading(f"proposals[{place}]."):
            found.append(_proposal(message))
    return found


def policy(message: project_pb2.ProjectPolicy) -> ProjectPolicySpec:
    """What a project asks for. Raises `ValidationError`."""
    return ProjectPolicySpec(
        approvals=[ApprovalRuleSpec(role=rule.role, count=rule.count) for rule in message.approvals],
        veto_roles=list(message.veto_roles),
        may_activate_own=message.may_activate_own,
        may_resolve_own=message.may_resolve_own,
        proposal_ttl_us=message.proposal_ttl_us if message.HasField("proposal_ttl_us") else None,
    )


def _proposal(message: artifact_pb2.Proposal) -> Proposal:
    revision = expected(message)
    match message.WhichOneof("version"):
        case "created":
            return Proposal(created=new_version(message.created), expected_revision=revision)
        case "draft":
            draft = DraftRef(artifact=message.draft.artifact_id, version=message.draft.version)
            return Proposal(draft=draft, expected_revision=revision)
        case _:
            raise invalid("proposals.version", "is missing. Give either created or draft.")


def _content(message: artifact_pb2.NewVersion) -> dict[str, Any]:
    """Bytes that are UTF-8 go as text, which costs least; the body is the same bytes either way."""
    match message.WhichOneof("content"):
        case "content_digest":
            return {"content_digest": message.content_digest}
        case "content_bytes":
            raw = message.content_bytes
            if len(raw) > MAX_INLINE_BYTES:
                raise invalid("version.content_bytes", f"has more than {MAX_INLINE_BYTES} bytes. Upload it first.")
            try:
                return {"content_text": raw.decode()}
            except UnicodeDecodeError:
                return {"content_base64": base64.b64encode(raw).decode()}
        case _:
            raise invalid("version.content", "is missing. Give content_digest or content_bytes.")


def _dependency(message: artifact_pb2.Dependency) -> DependencySpec:
    return DependencySpec.model_validate(
        {
            "ecosystem": message.ecosystem,
            "name": message.name,
            "text": message.text,
            "declares": message.declares,
            "scope": message.scope,
            "marker": message.marker,
            "kind": message.kind,
            "manifest": message.manifest,
            "via": message.via,
            "selector": message.selector,
        }
    )


def _provenance(message: artifact_pb2.Provenance) -> ProvenanceSpec:
    return ProvenanceSpec(
        agent=message.agent,
        model=message.model,
        task=message.task_id,
        prompt_digest=message.prompt_digest,
        document_digests=list(message.document_digests),
        inputs=list(message.inputs),
        parents=list(message.parents),
    )
