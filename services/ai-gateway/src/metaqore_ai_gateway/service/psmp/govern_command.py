"""Govern one command, whichever door it came through: find its target, decide, record, then let it happen."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.idempotency import body_differs, own_key
from metaqore_ai_gateway.service.psmp.answering import answer_of
from metaqore_ai_gateway.service.psmp.answers import Answers, KeptAnswer
from metaqore_ai_gateway.service.psmp.asked import Repeatable
from metaqore_ai_gateway.service.psmp.carry_out import CarryOut, Permitted
from metaqore_ai_gateway.service.psmp.command_scopes import scopes_for
from metaqore_ai_gateway.service.psmp.command_text import holders_of_credentials, texts_of
from metaqore_ai_gateway.service.psmp.decide_command import DecideCommand, Question, Recorded, denied
from metaqore_ai_gateway.service.psmp.governed import Answer, CommandRefusedError, Given, actor_of
from metaqore_ai_gateway.service.psmp.named_bodies import sensitivity_of_named
from metaqore_ai_gateway.service.psmp.target import FindTarget, Target
from metaqore_ai_gateway.service.psmp.tell_again import TellAgain
from metaqore_ai_gateway.service.psmp.uploads import BodyStore
from metaqore_ai_gateway.service.psmp.ways_out import FindWaysOut, conflicts_behind
from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.decision import CREDENTIAL_IN_PROMPT, lacking
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.receipts import parse_token
from metaqore_governance_core.sensitivity import Sensitivity

MOST_NAMED: Final = 8
"""So many files with a credential a denial names."""

_UNTRIED = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED, ErrorKind.DEADLINE_EXCEEDED, ErrorKind.INTERNAL})
"""What kept a command from being tried: it may be sent again."""


@dataclass(frozen=True, slots=True)
class GovernCommand:
    """The port `CommandGate`."""

    find_target: FindTarget
    decide: DecideCommand
    carry_out: CarryOut
    find_ways_out: FindWaysOut
    answers: Answers
    bodies: BodyStore
    tell_again: TellAgain
    admission: Admission
    now_us: Callable[[], int]

    async def __call__(self, given: Given) -> Answer:
        """Decide, record, then do."""
        if lacking(given.caller, scopes_for(given.command)) is not None:
            await self._deny(given)
        repeatable = _repeatable(given)
        target = await self.find_target(given)
        kept = await self._kept(repeatable, given, target)
        if kept is not None:
            return await self._again(kept, given, target)
        self.admission.enter()
        try:
            named = await sensitivity_of_named(self.bodies, given.caller.organization, given.command)
            recorded = await self._decided(given, target, named)
            permitted = Permitted(given, target, recorded, actor_of(given.caller), self.now_us(), repeatable)
            try:
                return await self.carry_out(permitted)
            except MetaQoreError as error:
                if error.kind not in _UNTRIED:
                    kept = await self._first(permitted, error)
                    if kept is not None and kept.receipt_token != recorded.receipt_token:
                        return await self._again(kept, given, target)
                raise await self._refused(error, given, target, recorded) from error
        finally:
            self.admission.leave()

    async def _decided(self, given: Given, target: Target, named: Sensitivity | None) -> Recorded:
        """Raises the denial, which names those of many files that hold a credential."""
        try:
            return await self.decide(_question(given, target, named), texts_of(given.command), given.raw)
        except CommandRefusedError as denial:
            if denial.code != CREDENTIAL_IN_PROMPT:
                raise
            names = await asyncio.to_thread(holders_of_credentials, given.command, self.decide.scan)
            if not names:
                raise
            more = ", …" if len(names) > MOST_NAMED else ""
            which = f"{', '.join(names[:MOST_NAMED])}{more}"
            raise denial.saying(f"A credential is in {which}. Take it out, and revoke it if it is real.") from denial

    async def _deny(self, given: Given) -> NoReturn:
        """Raises the denial for a missing scope, on record, and with what the command is about where that is there."""
        try:
            question = _question(given, await self.find_target(given))
        except MetaQoreError:
            question = _question(given, None)
        self.admission.enter()
        try:
            await denied(self.decide(question, texts_of(given.command), given.raw))
        finally:
            self.admission.leave()

    async def _first(self, permitted: Permitted, error: MetaQoreError) -> KeptAnswer | None:
        """What the first command with its key was answered: another, that has ended meanwhile, or this one's refusal.

        The transaction keeps its own. What refused the command before it is kept here, so that a repeat is told alike.
        """
        repeatable, given, target = permitted.repeatable, permitted.given, permitted.target
        kept = await self._kept(repeatable, given, target)
        if kept is None and repeatable is not None:
            await self.carry_out.keep_refusal(permitted, error)
            kept = await self._kept(repeatable, given, target)
        return kept

    async def _refused(
        self, error: MetaQoreError, given: Given, target: Target, recorded: Recorded
    ) -> CommandRefusedError:
        organization, failed = given.caller.organization, error.kind in _UNTRIED
        helps = not failed and isinstance(error, PsmpRefusedError)
        ways_out = await self.find_ways_out(organization, target, given.command, self.now_us()) if helps else ()
        return CommandRefusedError(
            error,
            state="failed" if failed else "refused",
            receipt=recorded.receipt,
            receipt_token=recorded.receipt_token,
            project=target.project,
            conflicts=conflicts_behind(error),
            ways_out=ways_out,
        )

    async def _kept(self, repeatable: Repeatable | None, given: Given, target: Target) -> KeptAnswer | None:
        """What the first command with this key was answered, if there was one. Raises `idempotency_body_differs`."""
        if repeatable is None:
            return None
        kept = await self.answers.find(given.caller.organization, target.project, repeatable.key)
        if kept is not None and kept.digest != repeatable.digest:
            raise body_differs()
        return kept

    async def _again(self, kept: KeptAnswer, given: Given, target: Target) -> Answer:
        """The first answer. Raises the first refusal."""
        receipt = parse_token(kept.receipt_token).id
        if isinstance(kept.result, MetaQoreError):
            raise await self._refused(
                kept.result, given, target, Recorded(receipt, kept.receipt_token, Sensitivity.PUBLIC)
            )
        of = (given.caller.organization, target.project)
        answer = answer_of(kept.result, of, target.ref, (receipt, kept.receipt_token))
        return await self.tell_again(answer, kept.result, given, target)


def _repeatable(given: Given) -> Repeatable | None:
    if not given.key or given.dry_run:
        return None
    content = f"{given.project}\n{given.command.model_dump_json(exclude=given.unsaid)}".encode()
    return Repeatable(own_key(given.caller, given.key), hashlib.sha256(content).digest())


def _question(given: Given, target: Target | None, named: Sensitivity | None = None) -> Question:
    """`named` is the sensitivity of the bodies that the command names."""
    command = given.command
    project, told = (None, ()) if target is None else (target.project, target.told)
    needs = scopes_for(command)
    return Question(given.caller, given.door, command.tool, command.verb, project, told, _label(given, named), needs)


def _label(given: Given, named: Sensitivity | None) -> Sensitivity | None:
    """The highest that the caller asks for, of the command and of what it brings, or that the bodies it names have."""
    match given.command:
        case artifacts.ProposeArtifacts() as command:
            specs = [one.created.declarations for one in command.proposals if one.created is not None]
        case artifacts.DraftArtifact() as command:
            specs = [command.version.declarations]
        case artifacts.AmendArtifact() as command:
            specs = [command.declarations]
        case _:
            specs = []
    asked = [given.label, named, *(Sensitivity[spec.sensitivity] for spec in specs if spec.sensitivity is not None)]
    return max((one for one in asked if one is not None), default=None)
