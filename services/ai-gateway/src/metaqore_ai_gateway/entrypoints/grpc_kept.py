"""Answers over gRPC that are kept for repeats with the same idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import structlog

from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore_ai_gateway.service.ports import Idempotency, StoredAnswer
from metaqore_governance_core.errors import MetaQoreError

MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
_OK: Final = 0
_DIGEST_CONTEXT: Final = b"metaqore.gateway.v1.SubmitTaskRequest\n"
_LENGTH_BYTES: Final = 4

_log = structlog.get_logger()


class KeptResponses:
    """The responses of one call, gathered, to be kept before the last one leaves."""

    def __init__(self, idempotency: Idempotency, organization: str, key: str) -> None:
        self._idempotency = idempotency
        self._organization = organization
        self._key = key
        self._messages: list[bytes] = []
        self._size_bytes = 0
        self._ended = False

    async def begin(self, request: pb.SubmitTaskRequest) -> StoredAnswer | None:
        """Take the key, and give None; or the answer that the same request got."""
        digest = hashlib.sha256(_DIGEST_CONTEXT + request.SerializeToString(deterministic=True)).digest()
        return await self._idempotency.begin(self._organization, self._key, digest)

    def add(self, response: pb.SubmitTaskResponse) -> None:
        """Gather a response; more than `MAX_KEPT_BYTES` are not kept."""
        message = response.SerializeToString()
        self._size_bytes += len(message)
        if self._size_bytes <= MAX_KEPT_BYTES:
            self._messages.append(len(message).to_bytes(_LENGTH_BYTES) + message)

    async def keep(self, receipt_token: str) -> None:
        """The task is done and recorded, so its answer leaves even where it cannot be kept."""
        if self._size_bytes > MAX_KEPT_BYTES:
            return
        stored = StoredAnswer(_OK, {"receipt": receipt_token}, b"".join(self._messages))
        self._ended = True
        try:
            await self._idempotency.finish(self._organization, self._key, stored)
        except MetaQoreError as error:
            _log.warning("idempotency.finish_failed", error=error.code)

    async def close(self) -> None:
        """Release the key unless the answer was to be kept; call it once `begin` gave None, whatever happened."""
        if self._ended:
            return
        try:
            await self._idempotency.release(self._organization, self._key)
        except MetaQoreError as error:
            _log.warning("idempotency.release_failed", error=error.code)


def responses_in(body: bytes) -> Iterator[pb.SubmitTaskResponse]:
    """The responses that were kept."""
    place = 0
    while place < len(body):
        size = int.from_bytes(body[place : place + _LENGTH_BYTES])
        place += _LENGTH_BYTES
        yield pb.SubmitTaskResponse.FromString(body[place : place + size])
        place += size
