"""Objects in S3: the contract on each server there is, and what goes wrong on a network."""

import logging
import os
import resource
from pathlib import Path

import pytest

from metaqore_mesh.objects import (
    ObjectStoreDenied,
    ObjectStoreMisconfigured,
    ObjectStoreUnavailable,
    S3Objects,
)

from .contract import ObjectStoreContract, names
from .servers import SECRET, bucket, ready
from .streams import LIMIT, joined, stream


@pytest.fixture(params=["seaweedfs", "minio"])
async def endpoint(request):
    return await ready(request.getfixturevalue(f"{request.param}_endpoint"))


@pytest.fixture
async def objects(endpoint, tmp_path):
    store = S3Objects(bucket(endpoint), limit_bytes=LIMIT, scratch=tmp_path)
    for name in await names(store):
        await store.delete(name)
    yield store
    assert list(tmp_path.iterdir()) == [], "a scratch file has a name"


class TestS3(ObjectStoreContract):
    pass


@pytest.mark.parametrize("change", [{"secret_access_key": "another"}, {"access_key_id": "nobody"}])
async def test_who_is_not_known_is_told_so_and_no_secret_is_said(endpoint, change, caplog):
    caplog.set_level(logging.DEBUG)
    objects = S3Objects(bucket(endpoint, retries=0, **change), limit_bytes=LIMIT)
    for asked in (objects.put("a", stream(b"x")), objects.size("a"), joined(objects.get("a")), names(objects)):
        with pytest.raises(ObjectStoreDenied) as denied:
            await asked
        said = "".join((denied.value.message, str(denied.value.__cause__), repr(objects._bucket), caplog.text))
        assert SECRET not in said
        assert denied.value.code == "object_store_denied"
        assert "bodies" in denied.value.message


async def test_a_missing_bucket_is_named(minio_endpoint):
    objects = S3Objects(bucket(await ready(minio_endpoint), name="elsewhere"), limit_bytes=LIMIT)
    for asked in (objects.put("a", stream(b"x")), names(objects)):
        with pytest.raises(ObjectStoreMisconfigured, match="no bucket elsewhere"):
            await asked


async def test_a_server_that_is_not_there_is_unavailable_and_may_be_asked_again():
    objects = S3Objects(bucket("http://127.0.0.1:1", retries=0), limit_bytes=LIMIT)
    for asked in (
        objects.put("a", stream(b"x")),
        objects.size("a"),
        joined(objects.get("a")),
        joined(objects.get("a", 1, 2)),
        objects.delete("a"),
        names(objects),
    ):
        with pytest.raises(ObjectStoreUnavailable) as refused:
            await asked
        assert refused.value.retryable
        assert len(refused.value.message) < 400


async def test_a_large_object_takes_no_more_memory_than_a_small_one(seaweedfs_endpoint, tmp_path):
    size_bytes, chunk = 96 << 20, os.urandom(1 << 20)
    objects = S3Objects(bucket(await ready(seaweedfs_endpoint)), limit_bytes=size_bytes, scratch=tmp_path)
    await objects.put("a", stream(b"x"))
    before = anonymous_bytes()
    await objects.put("a", stream(*[chunk] * 96))
    peak = anonymous_bytes()
    seen = 0
    async for piece in objects.get("a"):
        seen += len(piece)
        peak = max(peak, anonymous_bytes())
    assert seen == size_bytes
    assert peak - before < 32 << 20


async def test_a_limit_that_s3_does_not_take_is_refused_at_once():
    with pytest.raises(ObjectStoreMisconfigured, match="Lower the limit"):
        S3Objects(bucket("http://127.0.0.1:1"), limit_bytes=6 << 30)


async def test_no_room_for_the_scratch_file_is_a_refusal(tmp_path):
    objects = S3Objects(bucket("http://127.0.0.1:1"), limit_bytes=LIMIT, scratch=tmp_path / "missing")
    with pytest.raises(ObjectStoreUnavailable, match="scratch"):
        await objects.put("a", stream(b"x" * 2_000_000))


def anonymous_bytes():
    """Memory that only this process has, and that the kernel cannot take back."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * resource.getpagesize() // (resource.getpagesize() // 1024)
