"""What came of a command, as its caller is told."""

from __future__ import annotations

from metaqore_ai_gateway.service.psmp.asked import Kind, Outcome, Ref
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Artifact, OpenConflict


def answer_of(outcome: Outcome, of: tuple[str, str], first: Ref, receipt: tuple[str, str]) -> Answer:
    """The answer of an outcome in the organization and project `of`; what the command was sent to comes `first`.

    `receipt` is its id and its token.
    """
    organization, project = of
    revisions = {one.of: one.aggregate_version for one in outcome.happened}
    changed = [ref for ref in dict.fromkeys([first, *revisions]) if ref in outcome.states and ref in revisions]
    return Answer(
        receipt=receipt[0],
        receipt_token=receipt[1],
        project=project,
        project_version=outcome.version,
        changed=tuple(
            Known(ref, _id(organization, project, ref), project, revisions[ref], outcome.version, outcome.states[ref])
            for ref in changed
        ),
        conflicts=_conflicts(outcome),
        version=_version(outcome, changed[0]) if changed else 0,
    )


def _version(outcome: Outcome, first: Ref) -> int:
    """The version that the command was for: of an activation, not the one that gives way to it first."""
    for one in outcome.happened:
        number: int | None = getattr(one.event, "successor", None) or getattr(one.event, "version", None)
        if one.of == first and number is not None:
            return number
    return 0


def _id(organization: str, project: str, ref: Ref) -> str:
    return artifact_id(organization, project, ref.id) if ref.kind is Kind.ARTIFACT else ref.id


def _conflicts(outcome: Outcome) -> tuple[OpenConflict, ...]:
    """Those of the proposals to which anything happened."""
    found: dict[str, OpenConflict] = {}
    for one in outcome.happened:
        state, number = outcome.states.get(one.of), getattr(one.event, "version", None)
        if isinstance(state, Artifact) and number is not None and state.versions[number - 1].phase in OFFERED_PHASES:
            found.update({open_.conflict.id: open_ for open_ in state.versions[number - 1].conflicts})
    return tuple(found.values())
