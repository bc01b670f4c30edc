"""Bodies of versions over REST, as streams."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final, cast

from fastapi import Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import created
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_views import (
    ChangedArtifact,
    artifact_fields,
    changed_view,
    place_of,
    version_view,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.digest import checked
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door, PsmpDoor
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ArtifactPath, NoneAsked, NumberPath
from metaqore_ai_gateway.entrypoints.psmp_rest.ranges import pieces_of, span_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.bodiless import needs_no_body
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.problem import problem_answer, receipt_headers
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE, READ, RECEIPTS, SEND, Responses, refusals
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.uploads import StoredBody
from metaqore_governance_core.contracts.psmp_artifact_commands import DeclarationsSpec, DraftArtifact, NewVersion
from metaqore_governance_core.contracts.tasks import SensitivityName
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_state import Version

router = strict_router("contents")

OCTETS: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(\s*;[\x20-\x7e]{0,256})?")
_DIGITS: Final = 16

# What somebody uploaded is never run by a browser in the name of this host.
_INERT: Final = {
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}

_STREAM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": False,
        "description": "The bytes, of any media type; none are an empty body.",
        "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_GIVEN: Final[dict[str, Any]] = {
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    "headers": {"ETag": {"description": "The digest of the body.", "schema": {"type": "string"}}},
}
_BYTES: Final[Responses] = {
    200: {"description": "The bytes, under the media type of the version", **_GIVEN},
    206: {"description": "The range", **_GIVEN},
    304: {"description": "As If-None-Match knows it"},
    **refusals(416),
}
_KEPT: Final[Responses] = {201: {"description": "Kept", "headers": RECEIPTS}}


class Content(BaseModel):
    """A body that is kept. `digest` is its `content_digest` for a version to come."""

    digest: str
    key_id: str
    media_type: str
    size_bytes: int


_ContentType = Annotated[str | None, Header(alias="Content-Type", include_in_schema=False)]
_Digest = Annotated[
    str | None,
    Header(
        alias="Content-Digest",
        max_length=1024,
        description="`sha-256=:<base64>:` (RFC 9530); bytes that differ from it are not kept.",
    ),
]


@router.put("/contents", responses=SEND | _KEPT, status_code=201, openapi_extra=_STREAM)
async def put_content(  # noqa: PLR0917 - FastAPI gives each by its name
    request: Request,
    door: Door,
    caller: KnownCaller,
    response: Response,
    _: NoneAsked,
    content_type: _ContentType = None,
    content_digest: _Digest = None,
) -> Content:
    """Keep a body for versions to come. Verb `upload` of `psmp.artifact`.

    It changes no project and needs no idempotency key: the same bytes are kept once. What no version names is removed
    after a day.
    """
    stored = await _stored(request, door, caller, (content_type, content_digest))
    response.headers.update(receipt_headers(stored.receipt, stored.receipt_token))
    return Content(
        digest=stored.digest, key_id=stored.key_id, media_type=stored.media_type, size_bytes=stored.size_bytes
    )


@router.put(
    "/artifacts/{artifact_id}/versions/{number}/content",
    responses=CHANGE | created(ChangedArtifact),
    openapi_extra=_STREAM,
)
async def put_version_content(  # noqa: PLR0917 - see above
    request: Request,
    send: Changing,
    artifact_id: ArtifactPath,
    number: NumberPath,
    _: NoneAsked,
    content_type: _ContentType = None,
    content_digest: _Digest = None,
) -> ChangedArtifact:
    """Make the artifact's next version, as a draft with this body. Verbs `upload` and `draft`. Needs `psmp:read`.

    `number` is one more than the newest. A version's body never changes: the same bytes for a version that exists are
    answered with it, others are 409. The draft keeps paths, environment and sensitivity of the version before it; what
    a manifest requires is read from the body, and what else it is to require is said by PATCH.
    """
    if not send.may_write:
        await _stored(request, send.door, send.caller, (content_type, content_digest))  # raises the denial
    known, former = await send.door.readings.version(send.caller, artifact_id, 0)
    if number > len(known.artifact.versions) + 1:
        raise _not_next(known)
    stored = await _stored(request, send.door, send.caller, (content_type, content_digest))
    if number <= len(known.artifact.versions):
        send.response.headers.update(receipt_headers(stored.receipt, stored.receipt_token))
        return _there(known, number, stored)
    command = DraftArtifact(
        name="artifact.draft",
        version=NewVersion(
            artifact_name=known.artifact.name,
            content_digest=stored.digest,
            media_type=stored.media_type,
            declarations=_kept(former),
        ),
        expected_revision=send.expected(None) if send.seen is not None else known.revision,
    )
    answer = await send(command, project=known.project)
    send.created(f"/api/v1/artifacts/{artifact_id}/versions/{number}/content", dry_run=False)
    return changed_view(answer, number, dry_run=False)


def _kept(former: Version) -> DeclarationsSpec:
    content = former.content
    return DeclarationsSpec(
        paths=list(content.paths),
        environment=content.environment,
        sensitivity=cast("SensitivityName", content.sensitivity),
    )


@router.get("/artifacts/{artifact_id}/versions/{number}/content", responses=READ | _BYTES, response_class=Response)
async def get_version_content(  # noqa: PLR0917 - see above
    request: Request,
    door: Door,
    caller: KnownCaller,
    artifact_id: ArtifactPath,
    number: NumberPath,
    _: NoneAsked,
    range_: Annotated[str | None, Header(alias="Range", description="One range of bytes; several give all.")] = None,
    if_range: Annotated[str | None, Header(alias="If-Range", description="The ETag that the range is of.")] = None,
) -> Response:
    """The body of a version, or a range of it. An erased one is 409 `body_erased`."""
    _known, version = await door.readings.version(caller, artifact_id, number)
    body = version.content.body
    tag = f'"{body.digest}"'
    bare = needs_no_body(request.scope, tag)  # comes before any range (RFC 9110 section 13.2.2), and HEAD has none
    span = span_of(None if bare else range_, if_range, body.size_bytes, tag)
    headers = {**_INERT, "accept-ranges": "bytes", "etag": tag}
    if not span.satisfiable:
        return problem_answer(
            request,
            MetaQoreError("range_not_satisfiable", f"The body has {body.size_bytes} bytes. Ask for some of them."),
            status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            headers={"content-range": span.content_range},
        )
    pieces = door.readings.body(caller, artifact_id, number, span.start)
    try:
        first = await anext(pieces, b"")  # what cannot be read is refused before a status has been sent
    except BaseException:
        await pieces.aclose()
        raise
    headers["content-type"] = body.media_type if _MEDIA_TYPE.fullmatch(body.media_type) else OCTETS
    if bare:
        await pieces.aclose()
        return Response(headers=headers | {"content-length": str(body.size_bytes)})
    headers["content-length"] = str(span.stop - span.start)
    if not span.whole:
        headers["content-range"] = span.content_range
    given = pieces_of(first, pieces, span.stop - span.start)
    return StreamingResponse(given, status_code=200 if span.whole else 206, headers=headers)


async def _stored(request: Request, door: PsmpDoor, caller: Caller, said: tuple[str | None, str | None]) -> StoredBody:
    """Keep the body. `said` are its type and its digest, as the headers have them."""
    media_type = (said[0] or OCTETS).strip()
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise MetaQoreError("media_type_invalid", "Content-Type is as RFC 6838 has it, such as text/x-python.")
    limit = door.limits.content_bytes
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and (len(announced) > _DIGITS or int(announced) > limit):
        raise _too_large(limit)
    text = _bounded(request, limit)
    return await door.uploads.put(caller, text if said[1] is None else checked(text, said[1]), media_type)


async def _bounded(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `content_too_large`, and `client_left` where it breaks off."""
    size_bytes = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MetaQoreError("client_left", "The request never ended.", kind=ErrorKind.CANCELLED)
        piece: bytes = message.get("body", b"")
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        if piece:
            yield piece
        if not message.get("more_body"):
            return


def _there(known: Known, number: int, stored: StoredBody) -> ChangedArtifact:
    """The version that exists, where it holds these bytes."""
    version = known.artifact.versions[number - 1]
    if version.content.body.digest != stored.digest:
        raise _not_next(known)
    fields = {"version": version_view(version, place_of(known)), "conflicts": [], "dry_run": False}
    return ChangedArtifact.model_validate(artifact_fields(known) | fields)


def _not_next(known: Known) -> MetaQoreError:
    following = len(known.artifact.versions) + 1
    return MetaQoreError(
        "body_fixed",
        f"A version's body never changes. Put it to version {following}, which is the next one.",
        kind=ErrorKind.PRECONDITION,
    )


def _too_large(limit_bytes: int) -> MetaQoreError:
    return MetaQoreError(
        "content_too_large", f"A content has at most {limit_bytes} bytes. Send less.", kind=ErrorKind.TOO_LARGE
    )
