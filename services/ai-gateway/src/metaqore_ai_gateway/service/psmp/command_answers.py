"""What a command that came over the bus is answered, in the contract's words."""

from __future__ import annotations

from collections.abc import Iterable

from metaqore_ai_gateway.domain.command_request import InvalidCommandError
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.psmp.governed import Answer, CommandRefusedError
from metaqore_governance_core.contracts.psmp import (
    CommandAnswered,
    CommandChange,
    CommandConflict,
    CommandError,
    CommandParty,
    CommandRequest,
    CommandSubmitted,
    CommandWayOut,
)
from metaqore_governance_core.contracts.psmp_project_commands import CreateProject
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.model import Conflict, Party


def done(asked: CommandSubmitted, request: RequestName, organization: str, answer: Answer) -> CommandAnswered:
    """The answer to a command that happened, or would where it was a dry run."""
    return CommandAnswered(
        name=asked.command.name,
        organization=organization,
        project=answer.project or None,
        state="done",
        dry_run=asked.dry_run,
        receipt=answer.receipt,
        receipt_token=answer.receipt_token,
        project_version=answer.project_version,
        changes=[
            CommandChange(aggregate=one.ref.kind.value, id=one.id, revision=one.revision) for one in answer.changed
        ],
        conflicts=_conflicts(opened.conflict for opened in answer.conflicts),
        error=None,
        request=CommandRequest(source=request.source, id=request.id),
    )


def not_done(
    asked: CommandSubmitted | InvalidCommandError, request: RequestName, organization: str, error: MetaQoreError
) -> CommandAnswered:
    """The answer to a command that did not happen. What was refused before any decision has no receipt."""
    recorded = error if isinstance(error, CommandRefusedError) else None
    read = None if isinstance(asked, InvalidCommandError) else asked
    return CommandAnswered(
        name=asked.name if isinstance(asked, InvalidCommandError) else asked.command.name,
        organization=organization,
        project=_project(read, recorded),
        state="failed" if recorded is None else recorded.state,
        dry_run=read is not None and read.dry_run,
        receipt="" if recorded is None else recorded.receipt,
        receipt_token="" if recorded is None else recorded.receipt_token,
        project_version=None,
        changes=[],
        conflicts=_conflicts(() if recorded is None else recorded.conflicts),
        ways_out=[
            CommandWayOut(command=one.command, who=one.who) for one in (() if recorded is None else recorded.ways_out)
        ],
        error=CommandError(code=error.code, message=error.message, reasons=list(error.reasons)),
        request=CommandRequest(source=request.source, id=request.id),
    )


def _project(read: CommandSubmitted | None, recorded: CommandRefusedError | None) -> str | None:
    """The one that is named, or that what the command was sent to is in. One that was not made is none."""
    if read is None or read.project is not None or isinstance(read.command, CreateProject):
        return None if read is None else read.project
    return None if recorded is None else recorded.project or None


def _conflicts(found: Iterable[Conflict]) -> list[CommandConflict]:
    """Each once: several versions of one command may stand in the same."""
    return [
        CommandConflict(
            id=one.id,
            type=one.type.value,
            severity=one.severity.value,
            key=one.key,
            parties=_parties(one.parties),
            clashing=_parties(one.clashing),
            suggestion=one.suggestion.value,
            explanation=one.explanation,
        )
        for one in {one.id: one for one in found}.values()
    ]


def _parties(parties: Iterable[Party]) -> list[CommandParty]:
    return [
        CommandParty(artifact=one.artifact, version=one.version, by=one.by, declares=one.declares) for one in parties
    ]
