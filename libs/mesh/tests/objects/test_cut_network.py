"""A network that is cut in the midst of a put or get, by a toxiproxy before each server."""

import asyncio
import os
from pathlib import Path

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, BodyKeys, ObjectStoreUnavailable, S3Objects
from metaqore_mesh.ports import free_ports
from toxiproxy import VENDORED, toxiproxy

from .servers import bucket, ready
from .streams import Rows, joined, stream

LARGE = os.urandom(32 << 20)
LIMIT = 40 << 20

pytestmark = pytest.mark.skipif(
    not (Path(VENDORED) / "toxiproxy-server.xz").exists(), reason="there is no toxiproxy beside this checkout"
)


@pytest.fixture(params=["seaweedfs", "minio"])
async def link(request, tmp_path):
    endpoint = await ready(request.getfixturevalue(f"{request.param}_endpoint"))
    with toxiproxy(tmp_path) as proxy:
        yield proxy.link("s3", *free_ports(1), int(endpoint.rpartition(":")[2]))


@pytest.fixture
def objects(link):
    return S3Objects(bucket(f"http://{link.address}", retries=0), limit_bytes=LIMIT)


async def test_a_get_that_is_cut_says_so(objects, link):
    await objects.put("a", stream(LARGE))
    chunks = objects.get("a")
    begun = await anext(chunks)
    link.cut()
    with pytest.raises(ObjectStoreUnavailable):
        await joined(chunks)
    link.mend()
    assert LARGE.startswith(begun)
    assert await joined(objects.get("a")) == LARGE


async def test_a_body_that_is_cut_says_so(objects, link):
    bodies = Bodies(objects, BodyKeys(b"r" * 32), DigestKeys(b"d" * 32), Rows(), limit_bytes=LIMIT)
    body = await bodies.put("org_a", stream(LARGE))
    chunks = bodies.read(body)
    await anext(chunks)
    link.cut()
    with pytest.raises(MetaQoreError) as refused:
        await joined(chunks)
    assert refused.value.code == "object_store_unavailable"


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.08])
async def test_a_put_that_is_cut_leaves_the_old_or_the_new(objects, link, after_s):
    await objects.put("a", stream(b"old"))
    task = asyncio.create_task(objects.put("a", stream(LARGE)))
    await asyncio.sleep(after_s)
    link.cut()
    [result] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(result, ObjectStoreUnavailable | int)
    link.mend()
    found = await joined(objects.get("a"))
    assert found == LARGE or (found == b"old" and not isinstance(result, int))
    await objects.put("a", stream(LARGE))
    assert await joined(objects.get("a")) == LARGE


async def test_a_put_that_is_cancelled_leaves_the_old_or_the_new(objects, link):
    await objects.put("a", stream(b"old"))
    link.slow(50)
    task = asyncio.create_task(objects.put("a", stream(LARGE)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    link.swift()
    assert await joined(objects.get("a")) in (b"old", LARGE)
