"""Answers that are kept for repeats with the same idempotency key."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from metaqore_ai_gateway.entrypoints.http_answer import Answer, HeaderList
from metaqore_ai_gateway.service.ports import Idempotency, StoredAnswer
from metaqore_governance_core.errors import MetaQoreError

MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
RELEASE_S: Final = 2.0
"""How long an answer that is not kept waits until its key is free. It can be taken even where that cannot be told."""

_REPLAYED: Final = (b"idempotent-replayed", b"true")
_REQUEST_ID: Final = b"x-request-id"
"""Not kept: it names one request, not its repeats, and may be anything that a caller wrote."""

_log = structlog.get_logger()


class KeptAnswer:
    """Sends an answer on, and keeps it just before its last part leaves.

    Not kept, and the key free by then, so that a repeat runs anew: an error that a repeat may mend, a stream that
    failed or that the client left, and what is larger than `MAX_KEPT_BYTES`. Call `close` at the end, whatever
    happened.
    """

    def __init__(self, answer: Answer, idempotency: Idempotency, organization: str, key: str) -> None:
        self._answer = answer
        self._idempotency = idempotency
        self._organization = organization
        self._key = key
        self._headers: HeaderList = []
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._ended = False

    @property
    def begun(self) -> bool:
        """See `Answer`."""
        return self._answer.begun

    async def whole(self, status: int, headers: HeaderList, body: bytes, *, keep: bool) -> None:
        """See `Answer`."""
        self._headers = list(headers)
        self._add(body)
        await (self._keep(status) if keep else self.close())
        await self._answer.whole(status, headers, body, keep=keep)

    async def begin(self, headers: HeaderList) -> None:
        """See `Answer`."""
        self._headers = list(headers)
        await self._answer.begin(headers)

    async def piece(self, data: bytes) -> None:
        """See `Answer`."""
        self._add(data)
        await self._answer.piece(data)

    async def end(self, data: bytes, *, keep: bool) -> None:
        """See `Answer`."""
        self._add(data)
        await (self._keep(200) if keep else self.close())
        await self._answer.end(data, keep=keep)

    async def close(self) -> None:
        """Release the key unless the answer was to be kept."""
        if self._ended:
            return
        self._ended = True
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._idempotency.release(self._organization, self._key)
        except MetaQoreError as error:
            _log.warning("idempotency.release_failed", error=error.code)
        except TimeoutError:
            _log.warning("idempotency.release_failed", error="timeout")

    def _add(self, data: bytes) -> None:
        self._size_bytes += len(data)
        if self._size_bytes <= MAX_KEPT_BYTES:
            self._parts.append(data)

    async def _keep(self, status: int) -> None:
        """The task is done and recorded, so the answer leaves even where it cannot be kept."""
        if self._size_bytes > MAX_KEPT_BYTES:
            await self.close()
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers if name != _REQUEST_ID
        }
        stored = StoredAnswer(status, headers, b"".join(self._parts))
        self._ended = True
        try:
            await self._idempotency.finish(self._organization, self._key, stored)
        except MetaQoreError as error:
            _log.warning("idempotency.finish_failed", error=error.code)


async def answer_again(answer: Answer, stored: StoredAnswer, named: HeaderList) -> None:
    """Send a kept answer, marked as a repeat. `named` are the headers that name this request."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in stored.headers.items()]
    await answer.whole(stored.status, [*headers, *named, _REPLAYED], stored.body, keep=False)
