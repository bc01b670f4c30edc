"""Objects as files of a directory of a local file system."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from metaqore_mesh.directories import make_directory, sync_directory
from metaqore_mesh.objects.errors import (
    ObjectMissing,
    ObjectStoreDenied,
    ObjectStoreFull,
    ObjectStoreUnavailable,
    ObjectTooLarge,
)
from metaqore_mesh.objects.names import checked_name, checked_prefix
from metaqore_mesh.objects.pieces import PIECE_BYTES, pieces
from metaqore_mesh.objects.port import StoredObject
from metaqore_mesh.randomness import RandomBytes

_PRIVATE_FILE = 0o600
_LISTED_AT_ONCE = 500
_DRAFT_NAME_BYTES = 16


class DirectoryObjects:
    """An `ObjectStore` in `directory`, which is made 0700, with files 0600.

    Beneath it `objects/` holds each object under its name, and `unfinished/` the puts that are under way, on the same
    file system so that a rename moves them. Several processes may use one directory. Disk work is done in threads.
    """

    def __init__(self, directory: Path, *, limit_bytes: int) -> None:
        self._objects = directory / "objects"
        self._unfinished = directory / "unfinished"
        self._limit_bytes = limit_bytes
        self._randoms = RandomBytes(_DRAFT_NAME_BYTES)

    @classmethod
    async def open(cls, directory: Path, *, limit_bytes: int) -> DirectoryObjects:
        """The store in `directory`, made where it is missing. Raises `ObjectStoreUnavailable`."""
        store = cls(directory, limit_bytes=limit_bytes)
        await asyncio.to_thread(store._make)
        return store

    def _make(self) -> None:
        with _typed_errors(str(self._objects)):
            for directory in (self._objects.parent, self._objects, self._unfinished):
                make_directory(directory)

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> int:
        """Write beside, wait for the disk, rename, wait for the names."""
        unfinished = self._unfinished / next(self._randoms).hex()
        draft = _Draft(unfinished, self._objects / checked_name(name), self._objects)
        try:
            held: bytes | None = None  # so that a small object is one visit to a thread
            async for piece in pieces(chunks, limit_bytes=self._limit_bytes, refusal=ObjectTooLarge(self._limit_bytes)):
                if held is not None:
                    await asyncio.to_thread(draft.write, held)
                held = piece
            return await asyncio.to_thread(draft.publish, held or b"")
        except BaseException:
            await asyncio.to_thread(draft.discard)
            raise

    async def get(self, name: str, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read the file that had the name at the first chunk, even where it is replaced or deleted meanwhile."""
        end = None if length is None else offset + length
        file, chunk = await asyncio.to_thread(_open_and_read, name, self._objects / checked_name(name), offset, end)
        with file:
            while chunk:
                offset += len(chunk)
                yield chunk
                chunk = await asyncio.to_thread(_read, file, offset, end)

    async def size(self, name: str) -> int | None:
        """The file's size."""
        return await asyncio.to_thread(_size, self._objects / checked_name(name))

    async def delete(self, name: str) -> None:
        """Unlink, and wait for the names."""
        await asyncio.to_thread(_delete, self._objects / checked_name(name))

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Walk the directory, some hundred files at a visit."""
        root = self._objects / checked_prefix(prefix)
        walk = _walk(root, prefix)
        while batch := await asyncio.to_thread(_next_of, walk):
            for stored in batch:
                yield stored

    async def sweep(self, older_than_s: float) -> int:
        """Unlink the unfinished files whose last write is that long ago."""
        return await asyncio.to_thread(_sweep, self._unfinished, older_than_s)


class _Draft:
    """A file in the making. Its lock lets `discard` wait for the visit that a cancelled put left behind in a thread."""

    def __init__(self, unfinished: Path, path: Path, root: Path) -> None:
        self._unfinished = unfinished
        self._path = path
        self._root = root
        self._descriptor: int | None = None
        self._size_bytes = 0
        self._ended = False
        self._lock = threading.Lock()

    def write(self, piece: bytes) -> None:
        with self._lock, _typed_errors(str(self._root)):
            self._append(piece)

    def publish(self, piece: bytes) -> int:
        """Each system call lets go of Python's lock, and waits for it after: there are as few as will do."""
        with self._lock, _typed_errors(str(self._root)):
            is_whole = self._descriptor is None and bool(piece)
            descriptor = self._append(piece, os.O_DSYNC if is_whole else 0)
            if not is_whole:
                os.fsync(descriptor)
            self._close()
            self._rename()
            self._ended = True
            sync_directory(self._path.parent)
            return self._size_bytes

    def discard(self) -> None:
        with self._lock, suppress(OSError):
            ended, self._ended = self._ended, True
            if not ended:
                self._close()
                self._unfinished.unlink(missing_ok=True)

    def _append(self, piece: bytes, flags: int = 0) -> int:
        if self._ended:
            raise OSError(errno.ECANCELED, "the put was cancelled")
        if self._descriptor is None:
            self._descriptor = os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, _PRIVATE_FILE)
        rest = memoryview(piece)
        while rest:  # a write may take less than all
            rest = rest[os.write(self._descriptor, rest) :]
        self._size_bytes += len(piece)
        return self._descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _rename(self) -> None:
        try:
            self._unfinished.rename(self._path)
        except FileNotFoundError:  # the first object there
            _make_below(self._root, self._path.parent)
            self._unfinished.rename(self._path)


def _make_below(root: Path, directory: Path) -> None:
    """Make `directory` and those between it and `root`, 0700; each new name survives a crash."""
    if directory == root or directory.is_dir():
        return
    _make_below(root, directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent)


def _open_and_read(name: str, path: Path, offset: int, end: int | None) -> tuple[BinaryIO, bytes]:
    with _typed_errors(name):
        try:
            file = path.open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissing(name) from error
    return file, _read(file, offset, end)


def _read(file: BinaryIO, offset: int, end: int | None) -> bytes:
    with _typed_errors("reading"):
        return os.pread(file.fileno(), PIECE_BYTES if end is None else min(PIECE_BYTES, end - offset), offset)


def _size(path: Path) -> int | None:
    with _typed_errors(path.name):
        try:
            return path.stat().st_size if path.is_file() else None
        except FileNotFoundError:
            return None


def _delete(path: Path) -> None:
    with _typed_errors(path.name):
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        sync_directory(path.parent)


def _walk(directory: Path, prefix: str) -> Iterator[StoredObject]:
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(directory / entry.name, f"{prefix}{entry.name}/")
                continue
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = entry.stat(follow_symlinks=False)
                yield StoredObject(prefix + entry.name, status.st_size, status.st_mtime)


def _next_of(walk: Iterator[StoredObject]) -> list[StoredObject]:
    with _typed_errors("listing"):
        return list(islice(walk, _LISTED_AT_ONCE))


def _sweep(unfinished: Path, older_than_s: float) -> int:
    removed = 0
    with _typed_errors(str(unfinished)):
        for entry in os.scandir(unfinished):
            with suppress(FileNotFoundError):  # ended meanwhile
                if time.time() - entry.stat().st_mtime >= older_than_s:
                    Path(entry).unlink()
                    removed += 1
    return removed


@contextmanager
def _typed_errors(what: str) -> Iterator[None]:
    """Errors of the disk as those of the port. The cause is named by its number's text, never by a path's content."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ObjectStoreFull from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ObjectStoreDenied(what) from error
        raise ObjectStoreUnavailable(error.strerror or type(error).__name__) from error
