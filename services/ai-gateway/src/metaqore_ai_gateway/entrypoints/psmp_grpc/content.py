"""The calls of `metaqore.psmp.v1.ArtifactService` that bring and fetch bodies, piece by piece."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import artifact_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifact_messages import body_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import RECEIPT_KEY, refused
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import bounded, identifier, invalid
from metaqore_ai_gateway.entrypoints.psmp_grpc.versions import counting
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_ai_gateway.service.psmp.uploads import Uploads
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

MAX_CHUNK_BYTES: Final = 1024 * 1024
_SHA256_BYTES: Final = 32
_PLAIN: Final = "application/octet-stream"


@dataclass(frozen=True)
class ContentCalls(artifact_pb2_grpc.ArtifactServiceServicer):
    """Neither holds a body as a whole."""

    uploads: Uploads
    readings: Readings

    async def UploadContent(
        self, requests: AsyncIterator[pb.UploadContentRequest], context: Context
    ) -> pb.UploadContentResponse:
        """Keep a body for versions to come."""
        caller = current_caller()
        head = await _head(requests)
        try:
            stored = await self.uploads.put(caller, _text(head, requests), head.media_type or _PLAIN, Door.GRPC)
        except CommandRefusedError as error:
            raise await refused(error, context) from error
        await context.send_initial_metadata(((RECEIPT_KEY, stored.receipt_token),))
        body = pb.Body(
            digest=stored.digest, key_id=stored.key_id, media_type=stored.media_type, size_bytes=stored.size_bytes
        )
        return pb.UploadContentResponse(body=body, receipt_id=stored.receipt, receipt_token=stored.receipt_token)

    async def DownloadContent(
        self,
        request: pb.DownloadContentRequest,
        context: Context,  # noqa: ARG002  the contract's
    ) -> AsyncGenerator[pb.DownloadContentResponse, None]:
        """The body of a version, from an offset on."""
        caller, id_ = current_caller(), identifier(request.artifact_id, "artifact_id")
        number = request.version or await counting(self.readings, caller, id_)
        _, version = await self.readings.version(caller, id_, number)
        if request.offset_bytes > version.content.body.size_bytes:
            raise invalid("offset_bytes", "is behind the end of the body.")
        async with aclosing(self.readings.body(caller, id_, number, request.offset_bytes)) as pieces:
            first = await anext(pieces, b"")  # what cannot be read is refused before anything is told
            yield pb.DownloadContentResponse(head=body_message(version.content.body))
            for chunk in _chunks(first):
                yield chunk
            async for piece in pieces:
                for chunk in _chunks(piece):
                    yield chunk


async def _head(requests: AsyncIterator[pb.UploadContentRequest]) -> pb.ContentHead:
    async for request in requests:
        if request.HasField("head"):
            bounded(request.head.media_type, "head.media_type")
            if len(request.head.sha256) not in {0, _SHA256_BYTES}:
                raise invalid("head.sha256", f"must have {_SHA256_BYTES} bytes.")
            return request.head
        break
    raise MetaQoreError("content_head_missing", "Send the head first, then the bytes.")


async def _text(head: pb.ContentHead, requests: AsyncIterator[pb.UploadContentRequest]) -> AsyncIterator[bytes]:
    """The bytes as they come. Raises `content_differs` where they are not what the head says, so none are kept."""
    size_bytes, seen = 0, hashlib.sha256()
    async for request in requests:
        if not request.HasField("chunk"):
            raise invalid("chunk", "is missing: the head comes first and once.")
        chunk = request.chunk
        if len(chunk) > MAX_CHUNK_BYTES:
            raise invalid("chunk", f"has more than {MAX_CHUNK_BYTES} bytes.")
        size_bytes += len(chunk)
        if head.HasField("size_bytes") and size_bytes > head.size_bytes:
            raise _differs()
        if head.sha256:
            seen.update(chunk)
        yield chunk
    if head.HasField("size_bytes") and size_bytes != head.size_bytes:
        raise _differs()
    if head.sha256 and not hmac.compare_digest(seen.digest(), head.sha256):
        raise _differs()


def _differs() -> MetaQoreError:
    return MetaQoreError("content_differs", "The bytes are not those that the head announced. Send them again.")


def _chunks(piece: bytes) -> Iterator[pb.DownloadContentResponse]:
    for begin in range(0, len(piece), MAX_CHUNK_BYTES):
        yield pb.DownloadContentResponse(chunk=piece[begin : begin + MAX_CHUNK_BYTES])
