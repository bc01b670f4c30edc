"""How every command of the gRPC door is given, and how it is answered: with a receipt, also where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from pydantic import ValidationError

from metaqore.psmp.v1 import common_pb2
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import identifier, unreadable
from metaqore_ai_gateway.entrypoints.psmp_grpc.refusals import refusal_message
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import Answer, CommandGate, CommandRefusedError, Given
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.errors import ErrorKind
from metaqore_governance_core.identity import Door
from metaqore_mesh.errors import DetailedError
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

RECEIPT_KEY: Final = "metaqore-receipt"

_MISSING: Final = frozenset({"project_missing", "artifact_missing", "version_missing", "task_missing"})
"""What the state machine refuses because there is no such thing: for a client, it is not found."""


class CommandRequest(Protocol):
    """What every request has that asks for a change."""

    dry_run: bool
    idempotency_key: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802 - protobuf's
        """The message's bytes."""
        ...


class ExpectingRequest(Protocol):
    """A request that may name what its caller has seen."""

    expected_version: int

    def HasField(self, field_name: Literal["expected_version"], /) -> bool:  # noqa: N802 - protobuf's
        """Whether the field was set."""
        ...


@dataclass(frozen=True, slots=True)
class Commands:
    """Gives commands to the gate."""

    gate: CommandGate

    async def give(
        self, request: CommandRequest, context: Context, make: Callable[[], Command], project: str = ""
    ) -> Answer:
        """The answer; its receipt is sent ahead. Raises `invalid_request`, and what the gate raises."""
        with reading():
            command = make()
        given = Given(
            current_caller(),
            Door.GRPC,
            command,
            project=project,
            key=request.idempotency_key,
            dry_run=request.dry_run,
            raw=request.SerializeToString(deterministic=True),
        )
        try:
            answer = await self.gate(given)
        except CommandRefusedError as error:
            raise await refused(error, context) from error
        await context.send_initial_metadata(((RECEIPT_KEY, answer.receipt_token),))
        return answer

    async def give_to_project(
        self, request: CommandRequest, context: Context, make: Callable[[], Command], project: str
    ) -> Answer:
        """As `give`, for a command to a project that has to be named."""
        return await self.give(request, context, make, identifier(project, "id"))


@contextmanager
def reading(prefix: str = "") -> Iterator[None]:
    """Raises `invalid_request` for what in the block is not as the contract has it."""
    try:
        yield
    except ValidationError as error:
        raise unreadable(error, prefix) from None


async def refused(error: CommandRefusedError, context: Context) -> DetailedError:
    """The error with what it tells a client; its receipt is sent ahead."""
    await context.send_initial_metadata(((RECEIPT_KEY, error.receipt_token),))
    told = DetailedError(error, refusal_message(error))
    if error.code in _MISSING:
        told.kind = ErrorKind.NOT_FOUND
    return told


def expected(request: ExpectingRequest) -> int | None:
    """The version that the caller has seen, if it says so."""
    return request.expected_version if request.HasField("expected_version") else None


def committed(answer: Answer) -> common_pb2.Committed:
    """What every command that was done answers."""
    return common_pb2.Committed(
        receipt_id=answer.receipt, receipt_token=answer.receipt_token, project_version=answer.project_version
    )


def changed(answer: Answer, kind: Kind) -> Iterator[Known]:
    """What of that kind the command changed, in its order."""
    return (known for known in answer.changed if known.ref.kind is kind)
