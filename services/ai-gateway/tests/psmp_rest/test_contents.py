"""Bodies, as streams in both directions."""

import hashlib
from base64 import b64encode

import pytest

from metaqore_ai_gateway.service.authenticate import missing_scope
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.ids import artifact_id

ARTIFACT = artifact_id("org_1", "p1", "api")
AT = f"/api/v1/artifacts/{ARTIFACT}/versions"


async def pieces(*parts):
    for part in parts:
        yield part


async def test_a_body_is_kept_and_named(client, uploads):
    answer = await client.put("/api/v1/contents", content=pieces(b"x = ", b"1"), headers={"content-type": "text/x-py"})
    assert answer.status_code == 201, answer.text
    assert uploads.kept == [(b"x = 1", "text/x-py")]
    assert answer.json() == {"digest": "f" * 64, "key_id": "k1", "media_type": "text/x-py", "size_bytes": 5}
    assert (answer.headers["x-metaqore-receipt"], answer.headers["x-metaqore-receipt-id"]) == ("token-2", "receipt-2")


async def test_a_body_may_be_empty_and_of_no_type(client, uploads):
    assert (await client.put("/api/v1/contents", content=b"")).status_code == 201
    assert uploads.kept == [(b"", "application/octet-stream")]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_is_bounded_whether_it_says_its_size_or_not(client, uploads, announced):
    content = b"x" * 2000 if announced else pieces(b"x" * 1000, b"x" * 1000)
    answer = await client.put("/api/v1/contents", content=content)
    assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
    assert uploads.kept == []


@pytest.mark.parametrize("media_type", ["text", "a/b/c", "text/x-\xe9".encode("latin-1"), "a" * 200 + "/b"])
async def test_a_media_type_is_one(client, media_type):
    answer = await client.put("/api/v1/contents", content=b"x", headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (400, "media_type_invalid")


async def test_the_next_version_is_made_with_a_body(client, gate):
    answer = await client.put(f"{AT}/3/content", content=b"new", headers={"content-type": "text/plain"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{AT}/3/content"
    (given,) = gate.given
    assert (given.command.name, given.project, given.command.expected_revision) == ("artifact.draft", "p1", 5)
    version = given.command.version
    assert (version.artifact_name, version.content_digest, version.media_type) == ("api", "f" * 64, "text/plain")


async def test_nothing_is_read_for_who_may_not_upload(client, readings, uploads, monkeypatch):
    async def deny(*_):
        raise CommandRefusedError(missing_scope("psmp:write"), state="denied", receipt="r-1", receipt_token="token-1")

    monkeypatch.setattr(uploads, "put", deny)
    answer = await client.put(f"{AT}/3/content", content=b"new", headers={"authorization": "Bearer reader"})
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert answer.headers["x-metaqore-receipt-id"] == "r-1"
    assert readings.asked == []


async def test_a_stale_tag_stops_it(client, gate):
    await client.put(f"{AT}/3/content", content=b"new", headers={"if-match": '"4"'})
    assert gate.given[0].command.expected_revision == 4


async def test_a_body_never_changes(client, gate):
    same = await client.put(f"{AT}/1/content", content=b"abc")
    assert (same.status_code, same.json()["version"]["number"]) == (200, 1)
    other = await client.put(f"{AT}/1/content", content=b"other")
    assert (other.status_code, other.json()["code"]) == (409, "body_fixed")
    assert gate.given == []


async def test_no_version_is_skipped(client, uploads):
    answer = await client.put(f"{AT}/4/content", content=b"new")
    assert (answer.status_code, answer.json()["code"]) == (409, "body_fixed")
    assert uploads.kept == []


async def test_a_body_is_given_as_it_is_and_never_run(client):
    answer = await client.get(f"{AT}/1/content")
    assert (answer.status_code, answer.content) == (200, b"abc")
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("text/x-python", "3")
    assert answer.headers["etag"] == f'"{"d" * 64}"'
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=1-", 206, b"bc", "bytes 1-2/3"),
        ("bytes=0-0", 206, b"a", "bytes 0-0/3"),
        ("bytes=1-9", 206, b"bc", "bytes 1-2/3"),
        ("bytes=-1", 206, b"c", "bytes 2-2/3"),
        ("bytes=3-", 416, b"", "bytes */3"),
        ("bytes=0-", 200, b"abc", None),
        ("bytes=0-1,2-2", 200, b"abc", None),
        ("bytes=2-1", 200, b"abc", None),
        ("bytes=-", 200, b"abc", None),
        ("lines=1-", 200, b"abc", None),
    ],
)
async def test_a_download_that_was_cut_off_goes_on(client, asked, status, body, told):
    answer = await client.get(f"{AT}/1/content", headers={"range": asked})
    assert (answer.status_code, answer.headers.get("content-range")) == (status, told)
    if status == 416:
        assert answer.json()["code"] == "range_not_satisfiable"
    else:
        assert (answer.content, answer.headers["accept-ranges"]) == (body, "bytes")


async def test_a_range_of_another_body_is_the_whole(client):
    for tag, status in ((f'"{"d" * 64}"', 206), ('"other"', 200)):
        answer = await client.get(f"{AT}/1/content", headers={"range": "bytes=1-", "if-range": tag})
        assert answer.status_code == status


async def test_what_differs_from_its_digest_is_not_kept(client, uploads):
    digest = b64encode(hashlib.sha256(b"x").digest()).decode()
    for body, status in ((b"x", 201), (b"y", 400)):
        headers = {"content-digest": f"sha-512=:abc=:, sha-256=:{digest}:"}
        assert (await client.put("/api/v1/contents", content=body, headers=headers)).status_code == status
    assert uploads.kept == [(b"x", "application/octet-stream")]
    for other in ("sha-256=:abc:", "md5=:abcd:", digest):
        answer = await client.put("/api/v1/contents", content=b"x", headers={"content-digest": other})
        assert (answer.status_code, answer.json()["code"]) == (400, "content_digest_invalid")
