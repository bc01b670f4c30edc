"""kill -9 of a process that puts bodies: what was put is there, nothing half is, and what is left over is found."""

import asyncio
import hashlib
import json
import os
import random
import sys
from pathlib import Path

import pytest

from metaqore_governance_core.records import Commitment
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, Body, BodyKeys, DirectoryObjects, S3Objects, collect_orphans

from .contract import names
from .servers import KEY_ID, SECRET, bucket, ready
from .streams import Rows, joined

PROGRAM = Path(__file__).parent / "put_until_killed.py"
ROUNDS = int(os.environ.get("METAQORE_OBJECTS_CRASH_ROUNDS", "12"))
LIMIT = 4_000_000


@pytest.fixture(params=["directory", "seaweedfs", "minio"])
async def objects_and_endpoint(request, tmp_path):
    if request.param == "directory":
        return await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT), None
    endpoint = await ready(request.getfixturevalue(f"{request.param}_endpoint"))
    store = S3Objects(bucket(endpoint), limit_bytes=LIMIT)
    for name in await names(store):
        await store.delete(name)
    return store, endpoint


async def test_what_was_put_outlives_any_kill_and_nothing_half_is_seen(objects_and_endpoint, tmp_path):
    objects, endpoint = objects_and_endpoint
    seed = random.randrange(1_000_000)  # noqa: S311 - other moments at every run; the messages name them
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, PROGRAM, tmp_path, str(ROUNDS), str(seed), *([endpoint] if endpoint else [])),
        env=os.environ | {"S3_KEY_ID": KEY_ID, "S3_SECRET": SECRET},
    )
    assert await process.wait() == 0, f"a child ended by itself; seed {seed}"

    rows = Rows()
    bodies = Bodies(objects, BodyKeys(b"r" * 32), DigestKeys(b"d" * 32), rows, limit_bytes=LIMIT)
    said = (tmp_path / "returned").read_text()
    returned = [json.loads(line) for line in said[: said.rfind("\n") + 1].splitlines()]  # a kill may tear the last
    assert len(returned) > ROUNDS
    for line in returned:
        text = Commitment(line["digest"], line["key_id"], line["size_bytes"])
        body = Body("org_a", text, line["name"], bytes.fromhex(line["wrapped_key"]))
        content = await joined(bodies.read(body))
        assert hashlib.sha256(content).hexdigest() == line["sha256"], f"seed {seed}"
        rows.kept[body.name] = body

    for name in await names(objects, "plain/"):
        whole = await joined(objects.get(name))
        assert hashlib.sha256(whole[32:]).digest() == whole[:32], f"{name} is not whole; seed {seed}"

    before = set(await names(objects, "bodies/"))
    living = {body.name for body in rows.kept.values()}
    left = await objects.sweep(3600)
    assert left == 0, "a put that may be under way was swept"
    removed = await collect_orphans(objects, rows, older_than_s=-5)
    assert removed >= len(before - living), f"seed {seed}"
    assert set(await names(objects, "bodies/")) == living, f"seed {seed}"
    assert await objects.sweep(-5) == 0
    unfinished = tmp_path / "store" / "unfinished"
    assert not unfinished.exists() or list(unfinished.iterdir()) == []
