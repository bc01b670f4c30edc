"""The decision about a task: permit or deny, why, and where it may run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from metaqore_governance_core.allowpaths import AllowpathMatrix, Passage
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.residency import Locality, ResidencyPolicy
from metaqore_governance_core.scanner import KIND_SENSITIVITY, NOTHING_FOUND, Findings
from metaqore_governance_core.sensitivity import Sensitivity

GENERATE: Final = "generate"
"""The verb of a chat completion."""

CREDENTIAL_IN_PROMPT: Final = "credential_in_prompt"
SCANNER_FAILED: Final = "scanner_failed"
MISSING_SCOPE: Final = "missing_scope"
RESIDENCY_PERMITTED: Final = "residency_permitted"
RESIDENCY_NO_PROVIDER: Final = "residency_no_provider"

DENIALS: Final[Mapping[str, str]] = {
    CREDENTIAL_IN_PROMPT: "The prompt holds a credential. Take it out, and revoke it if it is real.",
    Passage.FORBIDDEN: "An allowpath forbids this caller to use this model. Ask who keeps the policy.",
    Passage.MISSING: "No allowpath lets this caller use this model. Ask who keeps the policy for one.",
    RESIDENCY_NO_PROVIDER: "No provider of this model may see a text this sensitive. Choose a model that runs locally.",
}
"""What each reason for a denial tells a person."""


class Verdict(StrEnum):
    """What was decided."""

    PERMIT = "permit"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides, as one immutable value. Make it with `make_policy`, which knows its version."""

    residency: ResidencyPolicy
    allowpaths: AllowpathMatrix
    project_labels: Mapping[str, Sensitivity]
    version: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be decided. `candidates` are the localities of the providers that could serve it.

    `project_name` is what people call the project, where it is known by another id: a policy may label either.
    `needs` are the scopes that the caller's key must have.
    """

    caller: Caller
    tool: str
    verb: str
    candidates: frozenset[Locality]
    label: Sensitivity | None = None
    project: str | None = None
    project_name: str | None = None
    findings: Findings = NOTHING_FOUND
    scanner_failed: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """`localities` are those that the task may use: in order of preference where `in_order`, none when denied."""

    verdict: Verdict
    reasons: tuple[str, ...]
    sensitivity: Sensitivity
    sensitivity_sources: tuple[str, ...]
    localities: tuple[Locality, ...]
    in_order: bool
    policy: str
    policy_version: str

    @property
    def permitted(self) -> bool:
        """Whether the task may run."""
        return self.verdict is Verdict.PERMIT


def make_policy(
    residency: ResidencyPolicy,
    allowpaths: AllowpathMatrix,
    project_labels: Mapping[str, Sensitivity] | None = None,
    localities: Mapping[str, Collection[Locality]] | None = None,
) -> Policy:
    """The policy of these parts. Its version is the first 16 hex digits of SHA-256 over their canonical form.

    `localities` tells where each tool can run: these are the candidates of the requests to come.
    """
    labels = dict(project_labels or {})
    form = {
        "allowpaths": [asdict(rule) for rule in allowpaths.rules],
        "finding_kinds": {kind: level.name for kind, level in KIND_SENSITIVITY.items()},
        "localities": {tool: sorted(found) for tool, found in (localities or {}).items()},
        "project_labels": {project: level.name for project, level in labels.items()},
        "residency": {
            level.name: {"in_order": placement.in_order, "localities": list(placement.localities)}
            for level, placement in residency.placements.items()
        },
        "residency_policy": residency.name,
    }
    return Policy(residency, allowpaths, labels, hashlib.sha256(canonical(form)).hexdigest()[:16])


def sensitivity_of(policy: Policy, request: Request) -> tuple[Sensitivity, tuple[str, ...]]:
    """The maximum of caller's label, project's label and findings, and every source that had a say."""
    level = Sensitivity.PUBLIC
    sources: list[str] = []
    if request.label is not None:
        level = max(level, request.label)
        sources.append(f"caller:{request.label.name}")
    named = (request.project, request.project_name)
    if labels := [policy.project_labels[one] for one in named if one is not None and one in policy.project_labels]:
        project = max(labels)
        level = max(level, project)
        sources.append(f"project:{project.name}")
    if request.findings.counts:
        level = max(level, request.findings.sensitivity)
        sources.extend(f"scanner:{kind}" for kind in sorted(request.findings.counts))
    if request.scanner_failed:
        level = Sensitivity.CRITICAL
        sources.append("scanner:failed")
    return level, tuple(sources)


def lacking(caller: Caller, needs: Iterable[str]) -> str | None:
    """The first of these scopes that the caller's key does not have."""
    return next((scope for scope in needs if scope not in caller.scopes), None)


def decide(policy: Policy, request: Request) -> Decision:
    """Permit only what an allowpath allows and a residency policy has a place for; a credential vetoes both.

    Nothing is permitted to a key that lacks a scope for it. A denial names every reason that holds, the gravest first.
    """
    sensitivity, sources = sensitivity_of(policy, request)
    placement = policy.residency.placement(sensitivity)
    localities = tuple(locality for locality in placement.localities if locality in request.candidates)
    passage = policy.allowpaths.permits(request.caller.organization, request.caller.name, request.tool, request.verb)

    vetoes: list[str] = []
    if lacking(request.caller, request.needs) is not None:
        vetoes.append(MISSING_SCOPE)
    if request.findings.holds_credential:
        vetoes.append(CREDENTIAL_IN_PROMPT)
    if passage is not Passage.ALLOWED:
        vetoes.append(passage.value)
    if not localities:
        vetoes.append(RESIDENCY_NO_PROVIDER)
    remarks = (SCANNER_FAILED,) if request.scanner_failed else ()

    return Decision(
        verdict=Verdict.DENY if vetoes else Verdict.PERMIT,
        reasons=(tuple(vetoes) or (passage.value, RESIDENCY_PERMITTED)) + remarks,
        sensitivity=sensitivity,
        sensitivity_sources=sources,
        localities=() if vetoes else localities,
        in_order=placement.in_order,
        policy=policy.residency.name,
        policy_version=policy.version,
    )


def denial(reasons: tuple[str, ...]) -> MetaQoreError:
    """The error that a caller gets for a denial: the first reason is its code. Never worth a repeat as it stands."""
    code = next((reason for reason in reasons if reason in DENIALS), "denied")
    message = DENIALS.get(code, "The policy denies this task.")
    return MetaQoreError(code, message, kind=ErrorKind.FORBIDDEN, reasons=reasons)
