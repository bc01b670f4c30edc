"""A command as a door gives it, what it is answered, and why it is not done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Difference
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import ROLE_SCOPE, Caller, Door
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import OpenConflict
from metaqore_governance_core.psmp.blocking_report import WayOut
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.resolution import Step
from metaqore_governance_core.sensitivity import Sensitivity

if TYPE_CHECKING:
    from pydantic.main import IncEx


@dataclass(frozen=True, slots=True)
class Given:
    """One command of a caller. Names of artifacts, tasks and checkpoints in it are their ids.

    `project` is an id, empty for the organization's default; a command to an artifact or a task finds its own.
    `key` is an idempotency key: a repeat with the same content gets the first answer. `label` only ever raises.
    `raw` is what the record commits to, the command as it came: see docs/commitments.md. `task` is the door's task that
    it comes of, where it does: its project may not have heard of it yet. `unsaid` are the fields that its sender left
    to its door, as pydantic excludes them: a repeat that leaves them again is the same, whatever stands there by then.
    """

    caller: Caller
    door: Door
    command: Command
    project: str = ""
    key: str = ""
    dry_run: bool = False
    label: Sensitivity | None = None
    raw: bytes = field(default=b"", repr=False)
    task: str = ""
    unsaid: IncEx | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a command that was done, or would be where it was a dry run.

    `changed` is each aggregate that the command changed, first what it was sent to, and `version` the number of the
    version that it was for, 0 where it is no artifact's. `conflicts` are those that the
    proposals stand in which it made or touched. `steps` belong to a resolution, `ended` to a cascade (`artifact <id>`,
    `task <id>`), `differences` to a restore, from what was to what is now, with those of the proposals that it blocks
    in `conflicts`.
    """

    receipt: str
    receipt_token: str
    project: str
    project_version: int
    changed: tuple[Known, ...] = ()
    conflicts: tuple[OpenConflict, ...] = ()
    steps: tuple[Step, ...] = ()
    ended: tuple[str, ...] = ()
    checkpoint: Checkpoint | None = None
    differences: tuple[Difference, ...] = ()
    version: int = 0


class CommandRefusedError(MetaQoreError):
    """A command that was recorded and not done.

    `denied`: policy does not permit it, or the caller's key lacks a scope. `refused`: they do, the state or its rules
    do not. `failed`: it could not be tried. It was for `project`. `conflicts` stand in the way, and `ways_out` would
    help.
    """

    def __init__(
        self,
        error: MetaQoreError,
        *,
        state: Literal["denied", "refused", "failed"],
        receipt: str,
        receipt_token: str,
        project: str = "",
        conflicts: tuple[Conflict, ...] = (),
        ways_out: tuple[WayOut, ...] = (),
    ) -> None:
        super().__init__(error.code, error.message, kind=error.kind, retryable=error.retryable, reasons=error.reasons)
        self.state: Literal["denied", "refused", "failed"] = state
        self.receipt = receipt
        self.receipt_token = receipt_token
        self.project = project
        self.conflicts = conflicts
        self.ways_out = ways_out

    def saying(self, message: str) -> CommandRefusedError:
        """The same in other words."""
        return CommandRefusedError(
            MetaQoreError(self.code, message, kind=self.kind, retryable=self.retryable, reasons=self.reasons),
            state=self.state,
            receipt=self.receipt,
            receipt_token=self.receipt_token,
            project=self.project,
            conflicts=self.conflicts,
            ways_out=self.ways_out,
        )


class CommandGate(Protocol):
    """The one way in for commands, whichever door they came through."""

    async def __call__(self, given: Given) -> Answer:
        """Decide, record, then do. Raises `CommandRefusedError` for what was recorded and not done.

        Raises another `MetaQoreError` for what has no record: something that is not there, a spool or a database that
        is away.
        """
        ...


def actor_of(caller: Caller) -> Actor:
    """The caller as the deciders know it, with the roles that its organization gave it."""
    roles = frozenset(one.removeprefix(ROLE_SCOPE) for one in caller.scopes if one.startswith(ROLE_SCOPE))
    return Actor(caller.name, roles)


def not_found(what: str) -> MetaQoreError:
    """There is none of that id in the caller's organization."""
    return MetaQoreError(
        f"{what}_not_found", f"Your organization has no {what} with this id. List them.", kind=ErrorKind.NOT_FOUND
    )
