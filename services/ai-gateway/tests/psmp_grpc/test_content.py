import hashlib

import grpc
import pytest

from metaqore.psmp.v1 import artifact_pb2 as a
from metaqore.psmp.v1 import refusal_pb2
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.uploads import StoredBody
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_mesh.errors import detail_of_call, error_of_call

TEXT = b"print()\n" * 300_000


def parts(text=TEXT, step=1 << 20, **head):
    yield a.UploadContentRequest(head=a.ContentHead(**head))
    for begin in range(0, len(text), step):
        yield a.UploadContentRequest(chunk=text[begin : begin + step])


@pytest.fixture
def kept(door):
    """The texts that were put."""
    found = []

    async def put(caller, text, media_type, came_by):
        whole = b"".join([piece async for piece in text])
        found.append((caller.name, whole, media_type, came_by))
        return StoredBody("d" * 64, "key-1", media_type, len(whole), "receipt-1", "token-1")

    door.uploads.methods = {"put": put}
    return found


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"media_type": "text/x-python"},
        {"size_bytes": len(TEXT), "sha256": hashlib.sha256(TEXT).digest()},
    ],
)
async def test_a_body_is_kept(door, kept, head):
    call = door.start("ArtifactService.UploadContent", parts(**head))
    response = await call
    media_type = head.get("media_type", "application/octet-stream")
    assert kept == [("ann", TEXT, media_type, Door.GRPC)]
    assert (response.body.size_bytes, response.body.media_type) == (len(TEXT), media_type)
    assert (response.receipt_id, response.receipt_token) == ("receipt-1", "token-1")
    assert dict(await call.initial_metadata())["metaqore-receipt"] == "token-1"


async def test_an_empty_body_is_one(door, kept):
    assert (await door.call("ArtifactService.UploadContent", parts(b"", size_bytes=0))).body.size_bytes == 0
    assert [text for _, text, _, _ in kept] == [b""]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param([], "content_head_missing", id="nothing"),
        pytest.param([a.UploadContentRequest(chunk=b"x")], "content_head_missing", id="no head"),
        pytest.param([a.UploadContentRequest()], "content_head_missing", id="an empty part"),
        pytest.param([*parts(b"x"), *parts(b"x")], "invalid_request", id="a second head"),
        pytest.param([*parts(b"x"), a.UploadContentRequest()], "invalid_request", id="no chunk"),
        pytest.param(list(parts(TEXT, (1 << 20) + 1)), "invalid_request", id="a large chunk"),
        pytest.param(list(parts(b"x", sha256=b"x")), "invalid_request", id="no digest"),
        pytest.param(list(parts(b"x", media_type="x" * 300)), "invalid_request", id="a long type"),
        pytest.param(list(parts(b"xy", size_bytes=1)), "content_differs", id="too long"),
        pytest.param(list(parts(b"xy", size_bytes=3)), "content_differs", id="too short"),
        pytest.param(list(parts(b"x", sha256=b"x" * 32)), "content_differs", id="another text"),
    ],
)
async def test_what_is_sent_wrong_is_not_kept(door, kept, sent, code):
    ended = await door.refused("ArtifactService.UploadContent", iter(sent))
    assert (ended.code(), error_of_call(ended).code) == (grpc.StatusCode.INVALID_ARGUMENT, code)
    assert kept == []


async def test_a_part_that_is_no_message_ends_the_upload_and_nothing_is_kept(door, kept):
    sent = [*(part.SerializeToString() for part in parts(b"x")), b"\xff" * 4]
    upload = door.channel.stream_unary("/metaqore.psmp.v1.ArtifactService/UploadContent")
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await upload(iter(sent), metadata=(("authorization", "Bearer ann"),), timeout=20)
    assert error_of_call(ended.value).code == "request_unreadable"
    assert kept == []


async def test_a_refused_upload_has_its_receipt(door):
    error = MetaQoreError("credential_in_prompt", "Take it out.", kind=ErrorKind.FORBIDDEN)

    async def put(*_):
        raise CommandRefusedError(error, state="denied", receipt="receipt-2", receipt_token="token-2")

    door.uploads.methods = {"put": put}
    ended = await door.refused("ArtifactService.UploadContent", parts(b"x"))
    assert ended.code() is grpc.StatusCode.PERMISSION_DENIED
    assert detail_of_call(ended, refusal_pb2.Refusal).receipt_id == "receipt-2"
    assert dict(ended.initial_metadata())["metaqore-receipt"] == "token-2"


async def test_whether_a_key_may_upload_is_for_the_use_case_to_say_on_record(door, kept):
    await door.call("ArtifactService.UploadContent", parts(b"x"), caller="eve")
    assert [name for name, *_ in kept] == ["eve"]


def stored(door, made, pieces, phase=Phase.ACTIVE):
    known = made.artifact("a.py", made.version(1, phase))

    async def body(_caller, _artifact, number, offset):
        assert number == 1
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece[offset:]
            offset = max(0, offset - len(piece))

    door.readings.methods = {"artifact": known, "version": (known, known.artifact.versions[0]), "body": body}


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 5])
async def test_a_body_is_fetched_from_an_offset(door, made, offset):
    stored(door, made, [b"ab", b"", b"cde"])
    request = a.DownloadContentRequest(artifact_id="x", offset_bytes=offset)
    got = [one async for one in door.start("ArtifactService.DownloadContent", request)]
    assert (got[0].head.media_type, got[0].head.size_bytes) == ("text/x-python", 5)
    assert b"".join(one.chunk for one in got[1:]) == b"abcde"[offset:]


async def test_chunks_are_small_whatever_the_store_gives(door, made):
    stored(door, made, [TEXT])
    call = door.start("ArtifactService.DownloadContent", a.DownloadContentRequest(artifact_id="x", version=1))
    chunks = [one.chunk async for one in call][1:]
    assert (b"".join(chunks), max(map(len, chunks))) == (TEXT, 1 << 20)


async def test_an_offset_behind_the_end_is_refused(door, made):
    stored(door, made, [b"abcde"])
    request = a.DownloadContentRequest(artifact_id="x", offset_bytes=6)
    assert error_of_call(await door.refused("ArtifactService.DownloadContent", request)).reasons == ("offset_bytes",)


async def test_an_erased_body_is_refused_before_anything_is_told(door, made):
    stored(door, made, [MetaQoreError("body_erased", "It is gone.", kind=ErrorKind.PRECONDITION)])
    call = door.start("ArtifactService.DownloadContent", a.DownloadContentRequest(artifact_id="x", version=1))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert error_of_call(ended.value).code == "body_erased"


async def test_a_version_that_does_not_count_has_to_be_named(door, made):
    stored(door, made, [b"abcde"], Phase.PROPOSED)
    ended = await door.refused("ArtifactService.DownloadContent", a.DownloadContentRequest(artifact_id="x"))
    assert error_of_call(ended).code == "version_not_found"
