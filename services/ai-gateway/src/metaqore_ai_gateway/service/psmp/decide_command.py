"""Decide about a command and record it, before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from metaqore_ai_gateway.service.authenticate import missing_scope
from metaqore_ai_gateway.service.large_texts import LARGE_TEXT_BYTES
from metaqore_ai_gateway.service.ports import Appended, AuditSpool, Digests, ProjectNames
from metaqore_ai_gateway.service.project_names import name_for
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.settled import settled
from metaqore_governance_core.allowpaths import Passage
from metaqore_governance_core.decision import (
    CREDENTIAL_IN_PROMPT,
    RESIDENCY_NO_PROVIDER,
    Decision,
    Policy,
    Request,
    decide,
    lacking,
)
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door
from metaqore_governance_core.receipts import token
from metaqore_governance_core.records import CommandRecord, Commitment, Numbers, Personal
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.scanner import NOTHING_FOUND, Findings, Scanner
from metaqore_governance_core.sensitivity import Sensitivity

HERE: Final = frozenset({Locality.LOCAL})
"""Where commands take effect: in the mesh's own stores."""

MOST_TARGETS: Final = 100

_DENIALS: Final[Mapping[str, str]] = {
    CREDENTIAL_IN_PROMPT: "It holds a credential. Take it out, and revoke it if it is real.",
    Passage.FORBIDDEN: "An allowpath forbids this caller this command. Ask who keeps the policy.",
    Passage.MISSING: "No allowpath lets this caller give this command. Ask who keeps the policy for one.",
    RESIDENCY_NO_PROVIDER: "The policy has no place for anything this sensitive. Ask who keeps it.",
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided about a command. `target` names what it is about, as `<aggregate>:<id>`.

    `needs` are the scopes that its caller's key must have.
    """

    caller: Caller
    door: Door
    tool: str
    verb: str
    project: str | None
    target: tuple[str, ...]
    label: Sensitivity | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A command that may go on: its receipt, and how sensitive it is."""

    receipt: str
    receipt_token: str
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class DecideCommand:
    """Permit or deny, on record. Raises like `AuditSpool.append`, and `CommandRefusedError` for a denial."""

    policy: Policy
    scanner: Scanner
    digests: Digests
    spool: AuditSpool
    project_names: ProjectNames
    now_us: Callable[[], int]
    new_id: Callable[[], str]

    async def __call__(self, question: Question, text: bytes, raw: bytes) -> Recorded:
        """Scan `text`, commit to `raw`, decide, record."""
        found: Findings | None
        if len(text) < LARGE_TEXT_BYTES:
            found = self.scan(text)
        else:
            found = await asyncio.to_thread(self.scan, text)
        return await self.of_findings(question, found, self.digests.commit(question.caller.organization, raw))

    def scan(self, text: bytes) -> Findings | None:
        """What is in `text`; None where the scanner failed."""
        try:
            return self.scanner.scan(text)
        except Exception as error:  # noqa: BLE001 - whatever failed, the text is unknown: CRITICAL
            _log.error("scanner.failed", error=type(error).__name__)
            return None

    async def of_findings(self, question: Question, found: Findings | None, body: Commitment) -> Recorded:
        """Decide and record what was scanned already."""
        organization, project = question.caller.organization, question.project
        named = await name_for(self.policy, self.project_names, organization, project)
        decision = decide(
            self.policy,
            Request(
                caller=question.caller,
                tool=question.tool,
                verb=question.verb,
                candidates=HERE,
                label=question.label,
                project=project,
                project_name=named,
                findings=found or NOTHING_FOUND,
                scanner_failed=found is None,
                needs=question.needs,
            ),
        )
        receipt = self.new_id()
        pending = asyncio.ensure_future(
            self.spool.append(
                organization,
                lambda numbers: _record(question, decision, _Scanned(found, body), (receipt, self.now_us()), numbers),
            )
        )
        appended = await settled(pending, _nothing)
        receipt_token = token(appended.receipt(receipt, organization, ""))
        if not decision.permitted:
            raise CommandRefusedError(
                _denial(question, decision.reasons),
                state="denied",
                receipt=receipt,
                receipt_token=receipt_token,
                project=question.project or "",
            )
        return Recorded(receipt, receipt_token, decision.sensitivity)


async def denied(decision: Awaitable[Recorded]) -> NoReturn:
    """Raise the denial, on record, of a caller whose key lacks a scope that the question needs."""
    await decision
    raise AssertionError("nothing is permitted to a key that lacks a scope for it")


@dataclass(frozen=True, slots=True)
class _Scanned:
    found: Findings | None
    body: Commitment


def _record(
    question: Question, decision: Decision, scanned: _Scanned, stamp: tuple[str, int], numbers: Numbers
) -> CommandRecord:
    """`stamp` is the receipt's id and the time."""
    caller = question.caller
    return CommandRecord(
        body=scanned.body,
        caller=caller.id,
        door=question.door,
        findings=dict((scanned.found or NOTHING_FOUND).counts),
        organization=caller.organization,
        organization_sequence=numbers.organization_sequence,
        personal=Personal(caller_name=caller.name),
        policy=decision.policy,
        policy_version=decision.policy_version,
        project=question.project,
        reasons=decision.reasons,
        receipt=stamp[0],
        sensitivity=decision.sensitivity.name,
        sensitivity_sources=decision.sensitivity_sources,
        sequence=numbers.sequence,
        target=_told(question),
        time_us=stamp[1],
        tool=question.tool,
        verb=question.verb,
        verdict=decision.verdict,
        writer=numbers.writer,
    )


def _told(question: Question) -> tuple[str, ...]:
    if len(question.target) <= MOST_TARGETS:
        return question.target
    return (f"project:{question.project}",)


def _nothing(_: Appended) -> None:
    """The record is durable whoever still waits for it."""


def _denial(question: Question, reasons: tuple[str, ...]) -> MetaQoreError:
    scope = lacking(question.caller, question.needs)
    if scope is not None:
        return missing_scope(scope)
    code = next((reason for reason in reasons if reason in _DENIALS), "denied")
    message = _DENIALS.get(code, "The policy denies this command.")
    return MetaQoreError(code, message, kind=ErrorKind.FORBIDDEN, reasons=reasons)
