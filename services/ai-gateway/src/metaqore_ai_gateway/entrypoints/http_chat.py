"""`POST /v1/chat/completions`: parse, govern, answer as OpenAI's API does."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_ai_gateway.domain.chat import ChatTask, parse_chat
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.entrypoints.http_answer import (
    DONE,
    EVENTS,
    JSON,
    Answer,
    HeaderList,
    answer_error,
    error_body,
    event,
)
from metaqore_ai_gateway.entrypoints.http_departure import Departure
from metaqore_ai_gateway.entrypoints.http_kept import KeptAnswer, answer_again
from metaqore_ai_gateway.entrypoints.http_request import (
    ClientLeftError,
    Headers,
    Receive,
    envelope_of,
    read_body,
    request_id,
    require_json,
    text_of,
)
from metaqore_ai_gateway.service.authenticate import authenticate, require_scope
from metaqore_ai_gateway.service.events import Chunk, Concluded, Decided, Event
from metaqore_ai_gateway.service.idempotency import own_key
from metaqore_ai_gateway.service.ports import Idempotency, Keys
from metaqore_ai_gateway.service.receipt_token import token
from metaqore_ai_gateway.service.run_claim import Govern
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_mesh.errors import internal_error

PARSE_IN_THREAD_BYTES: Final = 256 * 1024
SLOW_CLIENT_S: Final = 30.0
"""How long after its task's deadline a client may still be reading."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """Bounds on one request: its body in bytes, its deadline in seconds."""

    body_bytes: int
    default_deadline_s: float
    longest_deadline_s: float


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """The hot route. It raises nothing: whatever happens is answered, without a word of what the caller sent."""

    govern: Govern
    keys: Keys
    idempotency: Idempotency
    limits: ChatLimits
    new_id: Callable[[], str]

    async def __call__(self, headers: Headers, receive: Receive, answer: Answer) -> None:
        """Answer one request."""
        task = self.new_id()
        named: HeaderList = [(b"x-request-id", request_id(headers, task).encode("ascii"))]
        try:
            await self._answer(task, headers, receive, answer, named)
        except ClientLeftError:
            pass
        except MetaQoreError as error:
            count_refused(Door.REST, error)
            await answer_error(answer, error, named)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer and no stack trace
            _log.exception("request.failed", task=task)
            count_refused(Door.REST, internal_error())
            await answer_error(answer, internal_error(), named)

    async def _answer(
        self, task_id: str, headers: Headers, receive: Receive, answer: Answer, named: HeaderList
    ) -> None:
        caller = authenticate(self.keys, text_of(headers, b"authorization"), text_of(headers, b"x-api-key"))
        require_scope(caller, Scope.TASKS_SUBMIT)
        require_json(headers)
        envelope = envelope_of(
            headers,
            task_id,
            default_deadline_s=self.limits.default_deadline_s,
            longest_deadline_s=self.limits.longest_deadline_s,
        )
        if envelope.propose_files:
            require_scope(caller, Scope.PSMP_WRITE)
        raw = await read_body(headers, receive, self.limits.body_bytes)
        if len(raw) < PARSE_IN_THREAD_BYTES:
            task = parse_chat(raw, envelope)
        else:
            task = await asyncio.to_thread(parse_chat, raw, envelope)
        key = text_of(headers, b"idempotency-key")
        if key is None:
            await self._governed(caller, task, receive, answer, named)
        else:
            await self._once(key, caller, task, receive, answer, named)

    async def _once(  # noqa: PLR0917 - as `_governed`, with the key
        self, key: str, caller: Caller, task: ChatTask, receive: Receive, answer: Answer, named: HeaderList
    ) -> None:
        """The first request with this key is governed; a repeat gets its answer."""
        key = own_key(caller, key)
        digest = hashlib.sha256(task.digest_input).digest()
        stored = await self.idempotency.begin(caller.organization, key, digest)
        if stored is not None:
            await answer_again(answer, stored, named)
            return
        kept = KeptAnswer(answer, self.idempotency, caller.organization, key)
        try:
            await self._governed(caller, task, receive, kept, named)
        except MetaQoreError as error:
            count_refused(Door.REST, error)
            await answer_error(kept, error, named)
        finally:
            await kept.close()

    async def _governed(
        self, caller: Caller, task: ChatTask, receive: Receive, answer: Answer, named: HeaderList
    ) -> None:
        departure = Departure(receive, task.envelope.deadline_s + SLOW_CLIENT_S)
        try:
            async with aclosing(self.govern(caller, task)) as events:
                if task.stream:
                    await _stream(events, answer, named, departure)
                else:
                    await _whole(events, answer, named, departure)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if not departure.happened or current is None or current.uncancel():
                raise
        finally:
            departure.close()


async def _whole(events: AsyncGenerator[Event, None], answer: Answer, named: HeaderList, departure: Departure) -> None:
    """The completion, once its outcome is durable. The task has left its place by then: a client may read slowly."""
    body = b""
    outcome: Outcome | None = None
    async for step in events:
        if type(step) is Chunk:
            body = step.data
        elif type(step) is Decided:
            named += _receipt_headers(step)
        elif type(step) is Concluded:
            departure.close()
            outcome = step.outcome
    if outcome is None:
        return
    if outcome.error is not None:
        await answer_error(answer, outcome.error, named)
    else:
        await answer.whole(200, [JSON, *named], body, keep=True)


async def _stream(events: AsyncGenerator[Event, None], answer: Answer, named: HeaderList, departure: Departure) -> None:
    """The chunks as they come; the head goes with the first, so that what fails before it has a status of its own."""
    outcome: Outcome | None = None
    async for step in events:
        if type(step) is Chunk:
            if not answer.begun:
                await answer.begin([*EVENTS, *named])
            await answer.piece(event(step.data))
        elif type(step) is Decided:
            named += _receipt_headers(step)
        elif type(step) is Concluded:
            departure.close()
            outcome = step.outcome
    if outcome is not None:
        await _end_stream(answer, named, outcome)


async def _end_stream(answer: Answer, named: HeaderList, outcome: Outcome) -> None:
    if outcome.error is None:
        if not answer.begun:
            await answer.begin([*EVENTS, *named])
        await answer.end(DONE, keep=True)
    elif answer.begun:
        await answer.end(event(error_body(outcome.error)), keep=False)
    else:
        await answer_error(answer, outcome.error, named)


def _receipt_headers(decided: Decided) -> HeaderList:
    receipt = decided.receipt
    return [
        (b"x-metaqore-receipt", token(receipt).encode("ascii")),
        (b"x-metaqore-receipt-id", receipt.id.encode("ascii")),
        (b"x-metaqore-task-id", receipt.task.encode("ascii")),
    ]
