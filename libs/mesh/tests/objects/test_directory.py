"""Objects in a directory: the contract, and what only files can do."""

import asyncio
import errno
import fcntl
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


@pytest.mark.parametrize("text", [b"x", b"", LARGE], ids=["in one write that syncs", "empty", "in several"])
async def test_an_object_is_durable_before_its_name_and_its_name_before_the_answer(objects, monkeypatch, text):
    done = []
    write, sync, rename, mkdir = os.write, os.fsync, os.rename, os.mkdir

    def named(descriptor):
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).rpartition("/store/")[2]

    def written(descriptor, piece):
        count = write(descriptor, piece)
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DSYNC:
            done.append(("sync", named(descriptor)))
        return count

    def renamed(*paths):
        rename(*paths)
        done.append(("rename",))

    monkeypatch.setattr("os.write", written)
    monkeypatch.setattr("os.fsync", lambda descriptor: (sync(descriptor), done.append(("sync", named(descriptor)))))
    monkeypatch.setattr("os.rename", renamed)
    monkeypatch.setattr("os.mkdir", lambda path, mode: (mkdir(path, mode), done.append(("mkdir",))))
    await objects.put("a/b", stream(text))
    [draft, *rest] = done
    assert draft[0] == "sync"
    assert draft[1].startswith("unfinished/")
    assert rest == [("mkdir",), ("sync", "objects"), ("rename",), ("sync", "objects/a")]


async def test_a_write_that_takes_less_than_all_goes_on(objects, monkeypatch):
    write = os.write
    monkeypatch.setattr("os.write", lambda descriptor, piece: write(descriptor, piece[:3]))
    assert await objects.put("a", stream(b"in four writes")) == 14
    assert await joined(objects.get("a")) == b"in four writes"


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
@pytest.mark.parametrize(("call", "text"), [("os.write", b"new"), ("os.write", LARGE), ("os.fsync", LARGE)])
async def test_a_disk_that_fails_refuses_and_keeps_what_was(objects, monkeypatch, *, number, error, code, call, text):
    await objects.put("a", stream(b"old"))

    def failing(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(call, failing)
    with pytest.raises(error) as refused:
        await objects.put("a", stream(text))
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
