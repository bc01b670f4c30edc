"""Objects in a directory: the contract, and what only files can do."""

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest

from metaqore_mesh.objects import DirectoryObjects, ObjectStoreDenied, ObjectStoreFull, ObjectStoreUnavailable

from .contract import LARGE, ObjectStoreContract, names
from .streams import LIMIT, joined, stream


@pytest.fixture
async def objects(tmp_path):
    return await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT)


class TestDirectory(ObjectStoreContract):
    pass


async def test_only_the_owner_may_read(objects, tmp_path):
    await objects.put("a/b/c", stream(b"x"))
    found = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE((tmp_path / "store/objects/a/b/c").stat().st_mode) == 0o600


async def test_an_object_is_durable_before_its_name_and_its_name_before_the_answer(objects, monkeypatch):
    done = []
    sync, rename, mkdir = os.fsync, os.rename, os.mkdir

    def named(descriptor):
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).rpartition("/store/")[2]

    monkeypatch.setattr("os.fsync", lambda descriptor: (done.append(("sync", named(descriptor))), sync(descriptor)))
    monkeypatch.setattr("os.rename", lambda *paths: (done.append(("rename",)), rename(*paths)))
    monkeypatch.setattr("os.mkdir", lambda path, mode: (done.append(("mkdir",)), mkdir(path, mode)))
    await objects.put("a/b", stream(b"x"))
    [draft, *rest] = done
    assert draft[0] == "sync"
    assert draft[1].startswith("unfinished/")
    assert rest == [("mkdir",), ("sync", "objects"), ("rename",), ("sync", "objects/a")]


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (errno.ENOSPC, ObjectStoreFull, "object_store_full"),
        (errno.EDQUOT, ObjectStoreFull, "object_store_full"),
        (errno.EIO, ObjectStoreUnavailable, "object_store_unavailable"),
        (errno.EROFS, ObjectStoreUnavailable, "object_store_unavailable"),
        (errno.EACCES, ObjectStoreDenied, "object_store_denied"),
    ],
)
async def test_a_disk_that_fails_refuses_and_keeps_what_was(objects, monkeypatch, number, error, code):
    await objects.put("a", stream(b"old"))

    def failing(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", failing)
    with pytest.raises(error) as refused:
        await objects.put("a", stream(LARGE))
    assert refused.value.code == code
    monkeypatch.undo()
    assert await joined(objects.get("a")) == b"old"
    assert await objects.sweep(0) == 0


async def test_what_a_crash_left_is_never_listed_and_swept_once_it_is_old(objects, tmp_path):
    await objects.put("a", stream(b"x"))
    left = tmp_path / "store" / "unfinished" / "0123"
    left.write_bytes(b"half")
    assert await names(objects) == ["a"]
    assert await objects.sweep(60) == 0
    os.utime(left, (1, 1))
    assert await objects.sweep(60) == 1
    assert await objects.sweep(0) == 0
    assert await names(objects) == ["a"]


async def test_a_put_under_way_is_not_swept(objects):
    async def slow():
        yield LARGE
        assert await objects.sweep(60) == 0
        yield b"end"

    await objects.put("a", slow())
    assert await joined(objects.get("a")) == LARGE + b"end"


async def test_a_reader_goes_on_with_what_it_began(objects):
    await objects.put("a", stream(LARGE))
    chunks = objects.get("a")
    begun = await anext(chunks)
    await objects.put("a", stream(b"new"))
    assert begun + await joined(chunks) == LARGE


async def test_two_stores_share_a_directory(objects, tmp_path):
    other = await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT)
    await asyncio.gather(*(store.put("a/b", stream(LARGE)) for store in (objects, other)))
    await other.delete("a/b")
    assert await names(objects) == []
