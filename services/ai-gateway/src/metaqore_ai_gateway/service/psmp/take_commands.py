"""Take commands from the bus: do each in its turn, and answer each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Final, Protocol

import structlog

from metaqore_ai_gateway.domain.command_request import InvalidCommandError, command_key
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.psmp import command_answers
from metaqore_ai_gateway.service.psmp.command_turns import Turn, Turns
from metaqore_ai_gateway.service.psmp.governed import Answer, CommandGate, CommandRefusedError, Given
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted
from metaqore_governance_core.contracts.psmp_artifact_commands import DraftArtifact, ProposeArtifacts
from metaqore_governance_core.contracts.psmp_commands import TakeCheckpoint
from metaqore_governance_core.contracts.psmp_project_commands import (
    ArchiveProject,
    DescribeProject,
    FreezeProject,
    SetProjectMode,
    SetProjectPolicy,
    UnfreezeProject,
)
from metaqore_governance_core.contracts.psmp_task_commands import OpenTask
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.value_object import value_object

MAX_REMEMBERED: Final = 100_000
"""Commands whose first reading is remembered until they are answered, for their deadlines."""

_FAULT_ATTEMPTS: Final = 3
_FAULT_DELAY_S: Final = 0.5
_TRIED: Final = float("inf")
_OF_THE_PROJECT: Final = (
    ArchiveProject,
    DescribeProject,
    DraftArtifact,
    FreezeProject,
    OpenTask,
    SetProjectMode,
    SetProjectPolicy,
    TakeCheckpoint,
    UnfreezeProject,
)

_log = structlog.get_logger()


@value_object
class CommandSubmission:
    """What could be read: a command, or why it is none. `raw` is what its record commits to.

    `authorization` is the header's text; it goes no further than its check.
    """

    request: RequestName
    authorization: str | None = field(repr=False)
    reply_key: bytes
    asked: CommandSubmitted | InvalidCommandError = field(repr=False)
    raw: bytes = field(repr=False)
    traceparent: str | None = None


class AnswerChannel(Protocol):
    """Where answers go."""

    async def send(self, answer: CommandAnswered, reply_key: bytes) -> None:
        """Return once the answer is where its asker finds it; sent twice, it can be known as the same.

        Raises `MetaQoreError` of kind unavailable where that cannot be said.
        """
        ...


class CommandWatch(Protocol):
    """Who is told of commands that come over the bus."""

    def refused(self, error: MetaQoreError) -> None:
        """A command was refused before any decision."""
        ...

    def answered(self, answer: CommandAnswered) -> None:
        """A command is answered."""
        ...

    def processing(self, traceparent: str | None) -> AbstractContextManager[object]:
        """Entered around the work on a command; `traceparent` is the W3C trace context that came with it."""
        ...


class TakeCommands:
    """Does commands through the gate, at most `limit` at a time, and those of one project one after another.

    A denied, refused or failed command is answered like one that is done. What a repeat may mend, a database or a spool
    that is away, is to be tried again: nobody is answered, and nothing behind it in its project goes ahead of it. A
    repeat of the same event is answered the same.

    `deadline_s` counts from the first reading of a command, and until it is tried for the first time.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        gate: CommandGate,
        answers: AnswerChannel,
        watch: CommandWatch,
        clock_s: Callable[[], float],
        limit: int,
    ) -> None:
        self._keys = keys
        self._gate = gate
        self._answers = answers
        self._watch = watch
        self._clock_s = clock_s
        self._room = asyncio.Semaphore(limit)
        self._since: dict[tuple[str, RequestName], float] = {}  # organizations may name their requests alike

    async def __call__(self, submissions: Sequence[CommandSubmission]) -> list[BaseException | None]:
        """For each, in their order: None once it is answered, or why it must be given again."""
        turns = Turns()
        callers: dict[str | None, Caller | MetaQoreError] = {}
        works = []
        for one in submissions:
            if one.authorization not in callers:
                callers[one.authorization] = self._caller(one.authorization)
            caller, asked = callers[one.authorization], one.asked
            if isinstance(caller, MetaQoreError):
                works.append(self._refuse(one, "", caller))
            elif isinstance(asked, InvalidCommandError):
                works.append(self._refuse(one, caller.organization, asked))
            else:
                self._remember((caller.organization, one.request), asked)
                turn = turns.next(caller.organization, project_of(asked))
                works.append(self._in_turn(one, asked, caller, turn))
        return list(await asyncio.gather(*works, return_exceptions=True))  # none runs on when this has returned

    def _caller(self, authorization: str | None) -> Caller | MetaQoreError:
        try:
            return authenticate(self._keys, authorization)
        except MetaQoreError as error:
            return error

    async def _refuse(self, one: CommandSubmission, organization: str, error: MetaQoreError) -> MetaQoreError | None:
        self._watch.refused(error)
        return await self._answer(one, command_answers.not_done(one.asked, one.request, organization, error))

    async def _in_turn(
        self, one: CommandSubmission, asked: CommandSubmitted, caller: Caller, turn: Turn
    ) -> MetaQoreError | None:
        """The answer leaves while the next command of the project is done."""
        answer: CommandAnswered | None = None
        try:
            if not await turn.come():
                return _behind()
            async with self._room:
                with self._watch.processing(one.traceparent):
                    answer = await self._answered(one, asked, caller)
        except MetaQoreError as error:
            return error
        finally:
            turn.end(done=answer is not None)
        return await self._answer(one, answer)

    async def _answered(self, one: CommandSubmission, asked: CommandSubmitted, caller: Caller) -> CommandAnswered:
        """What the gate says. Raises what a repeat may mend."""
        if self._late((caller.organization, one.request), asked.deadline_s):
            return command_answers.not_done(asked, one.request, caller.organization, _too_late())
        try:
            answer = await self._gated(_given(one, asked, caller))
        except MetaQoreError as error:
            if error.retryable and not _is_final(error):
                raise
            if not isinstance(error, CommandRefusedError):
                self._watch.refused(error)
            return command_answers.not_done(asked, one.request, caller.organization, error)
        return command_answers.done(asked, one.request, caller.organization, answer)

    async def _gated(self, given: Given) -> Answer:
        """A fault of ours is tried a few times and then told: it must not hold up for ever what is behind it."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._gate(given)
            except MetaQoreError:
                raise
            except Exception as error:
                _log.exception("psmp.command_broke", command=given.command.name, attempt=attempt)
                if attempt == _FAULT_ATTEMPTS:
                    raise _fault() from error
            await asyncio.sleep(_FAULT_DELAY_S)

    async def _answer(self, one: CommandSubmission, answer: CommandAnswered) -> MetaQoreError | None:
        try:
            await self._answers.send(answer, one.reply_key)
        except MetaQoreError as error:
            return error
        self._since.pop((answer.organization, one.request), None)
        self._watch.answered(answer)
        return None

    def _remember(self, request: tuple[str, RequestName], asked: CommandSubmitted) -> None:
        if asked.deadline_s is not None and request not in self._since:
            if len(self._since) >= MAX_REMEMBERED:
                self._since.clear()
            self._since[request] = self._clock_s()

    def _late(self, request: tuple[str, RequestName], deadline_s: float | None) -> bool:
        """Whether its deadline is past. Once it was tried it is no more late: it may have happened."""
        if deadline_s is None:
            return False
        waited_s = self._clock_s() - self._since.get(request, _TRIED)
        if waited_s > deadline_s:
            return True
        self._since[request] = _TRIED
        return False


def project_of(asked: CommandSubmitted) -> str | None:
    """The project in whose order a command is; None where only what it is sent to tells its project."""
    command = asked.command
    if asked.project is not None:
        return asked.project
    if isinstance(command, ProposeArtifacts):
        return DEFAULT_PROJECT if all(one.draft is None for one in command.proposals) else None
    return DEFAULT_PROJECT if isinstance(command, _OF_THE_PROJECT) else None


def _given(one: CommandSubmission, asked: CommandSubmitted, caller: Caller) -> Given:
    return Given(
        caller=caller,
        door=Door.KAFKA,
        command=asked.command,
        project=asked.project or "",
        key=command_key(one.request),
        dry_run=asked.dry_run,
        label=None if asked.sensitivity is None else Sensitivity[asked.sensitivity],
        raw=one.raw,
    )


def _is_final(error: MetaQoreError) -> bool:
    """Whether it is a verdict, which a repeat of the same event would not change."""
    return isinstance(error, CommandRefusedError) and error.state != "failed"


def _behind() -> MetaQoreError:
    message = "A command before it in its project must be tried again first."
    return MetaQoreError("command_behind", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


def _too_late() -> MetaQoreError:
    message = "The command waited longer than its deadline_s and was not tried. Send it again with more time."
    return MetaQoreError("deadline_exceeded", message, kind=ErrorKind.DEADLINE_EXCEEDED)


def _fault() -> MetaQoreError:
    message = (
        "Something went wrong here; the operator finds the cause in the service's log. "
        "See whether it happened before you send it again."
    )
    return MetaQoreError("internal", message, kind=ErrorKind.INTERNAL)
