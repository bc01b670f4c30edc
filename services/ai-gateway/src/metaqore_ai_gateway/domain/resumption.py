"""What is still to do about a claim that was left unfinished: facts in, one step out."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_ai_gateway.domain.claim import ClaimState
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_governance_core.decision import Verdict
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.task import POLICY_CHANGED
from metaqore_governance_core.writer_state import OpenDecision


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an unfinished claim.

    `decision` is its recorded decision and `recorded` its recorded outcome, each None where there is none;
    `policy_version` is that of the policy in force.
    """

    state: ClaimState
    decision: OpenDecision | None
    recorded: Outcome | None
    policy_version: str


@dataclass(frozen=True, slots=True)
class Run:
    """Nothing is recorded of it: run it as if it had just been claimed."""


@dataclass(frozen=True, slots=True)
class RunAgain:
    """It was decided and perhaps begun: another attempt under the same decision."""

    decision: OpenDecision


@dataclass(frozen=True, slots=True)
class Interrupt:
    """It was decided under a policy that is no longer in force: end it as interrupted."""

    decision: OpenDecision


@dataclass(frozen=True, slots=True)
class Deny:
    """It was denied, and its outcome does not say so yet."""

    decision: OpenDecision


@dataclass(frozen=True, slots=True)
class RecordStoredOutcome:
    """Its result is stored and its outcome is not recorded: record the stored one, then send the result."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """Its outcome is recorded and no result is stored: make one from the record; its answer is lost."""

    recorded: Outcome


@dataclass(frozen=True, slots=True)
class SendResult:
    """Everything is recorded: only its result is to be sent."""


Step = Run | RunAgain | Interrupt | Deny | RecordStoredOutcome | RestoreResult | SendResult


def next_step(facts: Facts) -> Step:
    """What to do. Total, and safe to ask again after a crash in the midst of the step."""
    step: Step
    match facts:
        case Facts(state=ClaimState.DONE):
            step = SendResult()
        case Facts(state=ClaimState.CONCLUDED, decision=None) | Facts(state=ClaimState.CONCLUDED, recorded=Outcome()):
            step = SendResult()
        case Facts(state=ClaimState.CONCLUDED):
            step = RecordStoredOutcome()
        case Facts(recorded=Outcome() as recorded):
            step = RestoreResult(recorded)
        case Facts(decision=OpenDecision(verdict=Verdict.DENY) as decision):
            step = Deny(decision)
        case Facts(decision=OpenDecision(policy_version=version) as decision) if version == facts.policy_version:
            step = RunAgain(decision)
        case Facts(decision=OpenDecision() as decision):
            step = Interrupt(decision)
        case _:
            step = Run()
    return step


def policy_changed() -> MetaQoreError:
    """Why a decided task does not run again."""
    message = "The policy changed while the task was waiting to run again. Submit it as a new task."
    return MetaQoreError(POLICY_CHANGED, message, kind=ErrorKind.CONFLICT, retryable=True)
