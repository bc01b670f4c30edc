"""The steps of a version over REST, from its proposal to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Body
from pydantic import ConfigDict, Field, model_validator

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_views import ChangedArtifact, changed_view
from metaqore_ai_gateway.entrypoints.psmp_rest.artifacts import UNSAID_VERSION, newest
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ArtifactPath, NoneAsked, Step
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing, Sender
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE
from metaqore_governance_core.contracts import psmp_artifact_commands as contract
from metaqore_governance_core.contracts.psmp_command import Id, VersionNumber, Why, WhyText, command_name
from metaqore_governance_core.contracts.psmp_commands import Command

if TYPE_CHECKING:
    from pydantic.main import IncEx

router = strict_router("artifacts")

_UNSAID_DRAFT: Final[IncEx] = {"proposals": {0: {"draft": {"version"}}}}
"""The number of the version, where a step that offers it was sent without."""


class VersionStep(Step):
    """A step of one version."""

    version: VersionNumber | None = Field(None, description="Its number; without it, the newest (needs `psmp:read`).")


class ExplainedStep(VersionStep):
    """A step that needs a reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "why": "It breaks the importer."}]})

    why: Why


class Proposed(VersionStep):
    """A draft to be offered."""

    refuse_blocked: bool = Field(default=False, description="Refuses it where a conflict would block it.")


class Withdrawal(VersionStep):
    """A draft to be taken back."""

    why: WhyText = ""


class ApprovalGiven(VersionStep):
    """An approval."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "role": "reviewer"}]})

    role: Id = Field(description="One that the caller has.")


class Activation(VersionStep):
    """A proposal to count. In flexible projects one of `over_warning`, `own` and `propose` may be set, with `why`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1}, {"own": True, "why": "Nobody is here."}]})

    over_warning: bool = Field(default=False, description="Flexible: although warnings are open.")
    own: bool = Field(default=False, description="Flexible: one's own proposal.")
    propose: bool = Field(default=False, description="Flexible: offers a draft and lets it count in one.")
    why: Why | None = None

    @model_validator(mode="after")
    def _explained(self) -> Activation:
        asked = self.over_warning + self.own + self.propose
        if asked > 1:
            raise ValueError("set at most one of over_warning, own and propose")
        if bool(asked) != (self.why is not None):
            raise ValueError("give why with over_warning, own or propose, and only then")
        return self


_Proposed = Annotated[Proposed, Body(default_factory=Proposed)]
_Activation = Annotated[Activation, Body(default_factory=Activation)]
_Withdrawal = Annotated[Withdrawal, Body(default_factory=Withdrawal)]


@router.post("/artifacts/{artifact_id}/propose", responses=CHANGE | CHANGED)
async def propose_artifact(send: Changing, artifact_id: ArtifactPath, _: NoneAsked, body: _Proposed) -> ChangedArtifact:
    """Offer a draft; where a conflict blocks it, the answer has the conflict. Verb `propose`."""
    number = await _number(send, artifact_id, body)
    command = contract.ProposeArtifacts(
        name="artifact.propose",
        proposals=[
            contract.Proposal(
                draft=contract.DraftRef(artifact=artifact_id, version=number),
                expected_revision=send.expected(body.expected_version),
            )
        ],
        refuse_blocked=body.refuse_blocked,
    )
    return await _done(send, command, number, body, _UNSAID_DRAFT)


@router.post("/artifacts/{artifact_id}/activate", responses=CHANGE | CHANGED)
async def activate_artifact(
    send: Changing,
    artifact_id: ArtifactPath,
    _: NoneAsked,
    body: Annotated[Activation, Body(default_factory=Activation)],
) -> ChangedArtifact:
    """Let a proposal count; what counted is deprecated in the same step.

    Verb `activate`, or in flexible projects `activate_over_warning`, `activate_own` or `propose_and_activate`.
    """
    number = await _number(send, artifact_id, body)
    return await _done(send, _activation(artifact_id, number, send.expected(body.expected_version), body), number, body)


_Explained = (
    contract.DeprecateArtifact
    | contract.ArchiveArtifact
    | contract.RejectArtifact
    | contract.VetoArtifact
    | contract.LiftArtifactVeto
    | contract.EraseArtifactBody
)
_EXPLAINED: Final[tuple[tuple[str, str, type[_Explained], str], ...]] = (
    (
        "deprecate",
        "deprecate_artifact",
        contract.DeprecateArtifact,
        "Let the active version count no more. Verb `deprecate`.",
    ),
    ("archive", "archive_artifact", contract.ArchiveArtifact, "End a deprecated version. Verb `archive`."),
    ("reject", "reject_artifact", contract.RejectArtifact, "Turn a proposal down. Verb `reject`."),
    (
        "veto",
        "veto_artifact",
        contract.VetoArtifact,
        "Forbid that a proposal becomes active. Verb `lay_veto`; the project's policy names the roles.",
    ),
    ("lift-veto", "lift_artifact_veto", contract.LiftArtifactVeto, "Take one's own veto back. Verb `lift_veto`."),
    (
        "erase",
        "erase_artifact_body",
        contract.EraseArtifactBody,
        "Destroy the key of a body; its history stays, and stays provable. Verb `erase_body`, scope `psmp:erase`.",
    ),
)
"""The steps that need a reason and no more: where each is, its operation, its command, and what it does."""


def _explained(form: type[_Explained]) -> Callable[..., Awaitable[ChangedArtifact]]:
    name = command_name(form)

    async def take(send: Changing, artifact_id: ArtifactPath, body: ExplainedStep, _: NoneAsked) -> ChangedArtifact:
        number = await _number(send, artifact_id, body)
        given = {"name": name, "artifact": artifact_id, "version": number, "why": body.why}
        command = form.model_validate(given | {"expected_revision": send.expected(body.expected_version)})
        return await _done(send, command, number, body)

    return take


for _path, _operation, _form, _told in _EXPLAINED:
    router.add_api_route(
        f"/artifacts/{{artifact_id}}/{_path}",
        _explained(_form),
        methods=["POST"],
        name=_operation,
        description=_told,
        responses=CHANGE | CHANGED,
    )


@router.post("/artifacts/{artifact_id}/withdraw", responses=CHANGE | CHANGED)
async def withdraw_artifact(
    send: Changing,
    artifact_id: ArtifactPath,
    _: NoneAsked,
    body: Annotated[Withdrawal, Body(default_factory=Withdrawal)],
) -> ChangedArtifact:
    """Take a draft back. Verb `withdraw`."""
    number = await _number(send, artifact_id, body)
    command = contract.WithdrawArtifact(
        name="artifact.withdraw",
        artifact=artifact_id,
        version=number,
        why=body.why,
        expected_revision=send.expected(body.expected_version),
    )
    return await _done(send, command, number, body)


@router.post("/artifacts/{artifact_id}/approve", responses=CHANGE | CHANGED)
async def approve_artifact(
    send: Changing, artifact_id: ArtifactPath, body: ApprovalGiven, _: NoneAsked
) -> ChangedArtifact:
    """Approve a proposal in a role. Verb `approve`."""
    number = await _number(send, artifact_id, body)
    command = contract.ApproveArtifact(
        name="artifact.approve",
        artifact=artifact_id,
        version=number,
        role=body.role,
        expected_revision=send.expected(body.expected_version),
    )
    return await _done(send, command, number, body)


def _activation(artifact: str, number: int, expected: int | None, body: Activation) -> Command:
    given = {"artifact": artifact, "version": number, "expected_revision": expected}
    explained = given | {"why": body.why}
    if body.over_warning:
        return contract.ActivateArtifactOverWarning.model_validate(
            explained | {"name": "artifact.activate_over_warning"}
        )
    if body.own:
        return contract.ActivateOwnArtifact.model_validate(explained | {"name": "artifact.activate_own"})
    if body.propose:
        return contract.ProposeAndActivateArtifact.model_validate(explained | {"name": "artifact.propose_and_activate"})
    return contract.ActivateArtifact.model_validate(given | {"name": "artifact.activate"})


async def _number(send: Sender, artifact: str, body: VersionStep) -> int:
    return body.version or await newest(send, artifact)


async def _done(
    send: Sender, command: Command, number: int, body: VersionStep, unsaid: IncEx = UNSAID_VERSION
) -> ChangedArtifact:
    answer = await send(command, dry_run=body.dry_run, unsaid=None if body.version else unsaid)
    return changed_view(answer, answer.version or number, dry_run=body.dry_run)
